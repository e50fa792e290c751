# shellcheck shell=bash
# Output of the quickstart: steps, commands, their output, and failures. To be sourced.

if [[ -t 1 ]]; then bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'; else bold='' green='' red='' plain=''; fi

# The current step and its remedy, which `failed` prints.
doing=
remedy=

step() { # WHAT REMEDY
    doing=$1
    remedy=$2
    printf '\n%s%s%s\n' "$bold" "$1" "$plain"
}

note() { printf '    %s\n' "$*"; }

indented() { sed 's/^/    /'; }

good() { printf '    %sok%s  %s\n' "$green" "$plain" "$*"; }

# Runs a command, stores its output in $output, and ends the quickstart if it fails.
output=
try() { # COMMAND..
    output=$("$@" 2>&1) || failed "$*" "$?"
}

# The same, and prints the command and its output.
show() { # COMMAND..
    printf '    $ %s\n' "$*"
    try "$@"
    [[ -z $output ]] || indented <<<"$output"
}

# Retries for 20 s, for servers that are still starting.
eventually() { # COMMAND..
    local attempts
    for ((attempts = 0; attempts < 100; attempts++)); do
        if output=$("$@" 2>&1); then return; fi
        sleep 0.2
    done
    failed "$*" "a failure for 20 s"
}

failed() { # COMMAND STATUS
    {
        printf '\n%sThe quickstart failed%s at this step: %s\n\n' "$red$bold" "$plain" "$doing"
        printf '    $ %s\n' "$1"
        [[ -z $output ]] || indented <<<"$output"
        printf '    (exited with %s)\n\nRemedy: %s\n' "$2" "$remedy"
    } >&2
    exit 1
}

# Fails unless two values are equal.
expect() { # FOUND EXPECTED WHAT
    [[ $1 == "$2" ]] || { output="$3: found \"$1\", expected \"$2\"" && failed "compare" 1; }
}

# shellcheck shell=bash
# How the quickstart speaks: what it is about to do, the command, what came of it, and failure in words. To be sourced.

if [[ -t 1 ]]; then bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'; else bold='' green='' red='' plain=''; fi

# What is being done and what to do when it fails: `failed` says both.
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

# Runs a command and keeps what it prints in $output; where it fails, so does the quickstart.
output=
try() { # COMMAND..
    output=$("$@" 2>&1) || failed "$*" "$?"
}

# The same, showing the command and what it prints.
show() { # COMMAND..
    printf '    $ %s\n' "$*"
    try "$@"
    [[ -z $output ]] || indented <<<"$output"
}

# Tries again for 20 s: a database takes a moment to start.
eventually() { # COMMAND..
    local attempts
    for ((attempts = 0; attempts < 100; attempts++)); do
        if output=$("$@" 2>&1); then return; fi
        sleep 0.2
    done
    failed "$*" "something else than 0 for 20 s"
}

failed() { # COMMAND STATUS
    {
        printf '\n%sThe quickstart failed%s while it did this: %s\n\n' "$red$bold" "$plain" "$doing"
        printf '    $ %s\n' "$1"
        [[ -z $output ]] || indented <<<"$output"
        printf '    (ended with %s)\n\nWhat to do: %s\n' "$2" "$remedy"
    } >&2
    exit 1
}

# For what must be so and is not a command's status.
expect() { # FOUND WANTED WHAT
    [[ $1 == "$2" ]] || { output="$3: found \"$1\", expected \"$2\"" && failed "compare" 1; }
}

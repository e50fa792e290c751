-- luacheck of the gateway's Lua and its specs, by `ops/test lua`.
std = "luajit"
exclude_files = { "target" }
max_line_length = 130
max_cyclomatic_complexity = 12

files["templates/gateway/lua"] = { read_globals = { "ngx" } }
-- ngx may be written to only in part.
files["templates/gateway/lua/**/*.lua"] = {
    globals = { "ngx.status" },
    read_globals = { ngx = { fields = { header = { read_only = false, other_fields = true }, var = { read_only = false,
        other_fields = true }, ctx = { read_only = false, other_fields = true } }, other_fields = true } },
}
files["tests/lua"] = { std = "luajit+busted", globals = { "ngx" } }
files["ops/lib/bench/web/wrk.lua"] = { globals = { "done" } }

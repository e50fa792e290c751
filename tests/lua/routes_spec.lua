local fixture = require("fixture")
local own_names = require("flatnet.own_names")
local routes = require("flatnet.routes")

describe("the table of routes", function()
    own_names.start({ name = "dev-pc", domains = { "local" } })

    local function found(built, host, path, own)
        local route = built:find(host, path, own)
        return route and route.name
    end

    local function named(name, changes)
        changes.name = name
        return fixture.route(changes)
    end

    it("prefers exact to wildcard, and longer to shorter", function()
        local built = fixture.table({
            named("short", { hosts = { "*.example.org" } }), named("long", { hosts = { "*.git.example.org" } }),
            named("exact", { hosts = { "a.git.example.org" } }),
        })
        assert.equal("exact", found(built, "a.git.example.org", "/"))
        assert.equal("long", found(built, "b.git.example.org", "/"))
        assert.equal("long", found(built, "x.b.git.example.org", "/"))
        assert.equal("short", found(built, "git.example.org", "/"))
        assert.is_nil(found(built, "example.org", "/"))
        assert.is_nil(found(built, "org", "/"))
        assert.is_nil(found(built, "", "/"))
    end)

    it("does not look for what is no name", function()
        local built = fixture.table({ fixture.route({ hosts = { "*.local" } }) })
        assert.equal("web", built:find("a.b.local", "/", false).name)
        assert.equal("web", built:find(string.rep("a.", 124) .. "local", "/", false).name)
        assert.is_nil(built:find(string.rep("a.", 130) .. "local", "/", false))
    end)

    it("compares paths segment by segment", function()
        local built = fixture.table({
            named("root", {}), named("api", { path = "/api" }), named("deep", { path = "/api/v1/x/" }),
        })
        for path, name in pairs({ ["/"] = "root", ["/api"] = "api", ["/api/"] = "api", ["/apix"] = "root", ["/api/v1"] = "api",
            ["/api/v1/x"] = "deep", ["/api/v1/x/"] = "deep", ["/api/v1/x/y/z"] = "deep", ["/api/v1/xy"] = "api",
            ["/ap"] = "root", ["/" .. string.rep("a/", 5000)] = "root" }) do
            assert.equal(name, found(built, "web.local", path), path)
        end
    end)

    it("keeps routes without hosts for the gateway's own names", function()
        local built = fixture.table({ named("app", { hosts = {}, path = "/app" }) })
        assert.equal("app", found(built, "192.168.7.1", "/app/x", true))
        assert.is_nil(found(built, "other.local", "/app/x", false))
    end)

    it("falls from an exact host without that path to the wildcard", function()
        local built = fixture.table({ named("api", { path = "/api" }), named("any", { hosts = { "*.local" } }) })
        assert.equal("any", found(built, "web.local", "/x"))
    end)

    it("lets the first win, and says so", function()
        local built = fixture.table({
            named("first", {}), named("second", {}), named("portal", { hosts = { "portal.local" } }),
            named("wild", { hosts = { "*.local" } }), named("wild2", { hosts = { "*.local" } }),
        })
        assert.equal("first", found(built, "web.local", "/"))
        assert.same({
            { route = "second", host = "web.local", path = "/", winner = "first" },
            { route = "portal", host = "portal.local", path = "/", winner = "the gateway itself" },
            { route = "wild2", host = "*.local", path = "/", winner = "wild" },
        }, built.conflicts)
    end)

    it("routes neither the gateway's own pages nor, by a wildcard, its names", function()
        local built = fixture.table({
            named("pages", { hosts = {}, path = "/_flatnet" }), named("below", { hosts = { "local" }, path = "/_flatnet/x" }),
            named("beside", { hosts = { "local" }, path = "/_flatnets" }), named("wild", { hosts = { "*.local" } }),
        })
        assert.same({ "pages", "below" }, { built.conflicts[1].route, built.conflicts[2].route })
        assert.is_nil(built:find("local", "/_flatnet/x", true))
        assert.is_nil(built:find("portal.local", "/x", true))
        assert.equal("beside", found(built, "local", "/_flatnets", true))
        assert.equal("wild", found(built, "x.local", "/x"))
    end)

    it("chooses the place by scheme and label", function()
        local built = fixture.table({ named("a", {}), named("b", { stream = true }), named("c", { scheme = "grpcs" }) })
        assert.same({ "@http", "@stream", "@grpc" },
            { built.by_name.a.place, built.by_name.b.place, built.by_name.c.place })
    end)

    it("knows since when an endpoint is in its state, by its own clock", function()
        local first = fixture.table(nil, nil, 2e9)
        local key = "0123456789ab@10.87.1.2:3000"
        assert.equal(routes.epoch("2026-11-23T11:58:01Z"), first.endpoints[key].changed)
        local same = fixture.table(nil, first, 2e9 + 10)
        assert.equal(first.endpoints[key].changed, same.endpoints[key].changed)
        local route = fixture.route({ endpoints = { fixture.endpoint({ state = "stopped" }) } })
        local stopped = fixture.table({ route }, same, 2e9 + 20)
        assert.equal(2e9 + 20, stopped.endpoints[key].changed)
    end)

    it("reads times", function()
        assert.equal(0, routes.epoch("1970-01-01T00:00:00Z"))
        assert.equal(1709251199, routes.epoch("2024-02-29T23:59:59Z"))
        assert.equal(1795435081, routes.epoch("2026-11-23T11:58:01.123Z"))
        assert.is_nil(routes.epoch("yesterday"))
    end)
end)

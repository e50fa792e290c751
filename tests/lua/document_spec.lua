local cjson = require("cjson.safe")
local document = require("flatnet.document")
local fixture = require("fixture")
local ipv4 = require("flatnet.ipv4")

describe("the routes table", function()
    local range = { networks = { ipv4.network("10.87.0.0/16") }, text = "10.87.0.0/16" }

    local function read(value)
        return document.read(type(value) == "string" and value or cjson.encode(value), range, function() end)
    end

    local function refused(value, message)
        local checked, why = read(value)
        assert.is_nil(checked)
        assert.matches(message, why, 1, true)
    end

    it("is read", function()
        assert.equal("web", read(fixture.document()).routes[1].name)
        assert.same({}, read(fixture.document({})).routes)
    end)

    it("may have health checks, or null", function()
        local health = { path = "/healthz", interval = 5, healthy = 2, unhealthy = 3 }
        assert.is_truthy(read(fixture.document({ fixture.route({ health = health }) })))
        assert.is_truthy(read(fixture.document({ fixture.route({ health = cjson.null }) })))
    end)

    it("is refused when it is no JSON, or torn", function()
        refused("{", "not valid JSON")
        refused("7", "is not an object")
        local torn = fixture.document()
        torn["end"] = nil
        refused(torn, "the file is incomplete")
    end)

    it("is refused as a whole, with the place of the fault", function()
        local bad = fixture.route({ name = "db", endpoints = { fixture.endpoint({ address = "1.2.3.4" }) } })
        refused(fixture.document({ fixture.route(), bad }), "route 2 db endpoint 1: address 1.2.3.4 is outside 10.87.0.0/16")
    end)

    it("is refused for each thing that could be wrong", function()
        for _, case in ipairs({
            { { name = "-x" }, "name is" }, { { name = string.rep("x", 129) }, "exceeds 128" },
            { { hosts = "web.local" }, "hosts is not a list" }, { { hosts = { "Web.local" } }, "not a lower-case host name" },
            { { hosts = { "*." } }, "not a lower-case host name" }, { { hosts = { "a.*.b" } }, "not a lower-case host name" },
            { { hosts = { "web.local\n" } }, "not a lower-case host name" }, { { hosts = {} }, "neither a host nor a path" },
            { { path = "" }, "path is" }, { { path = "/a b" }, "path is" }, { { scheme = "ftp" }, "scheme is ftp" },
            { { strip = "yes" }, "true or false" }, { { stream = 1 }, "true or false" }, { { hold = -1 }, "hold is -1" },
            { { health = 5 }, "health is not an object" }, { { endpoints = 5 }, "endpoints is not a list" },
            { { health = { path = "/", interval = 5, healthy = 0, unhealthy = 1 } }, "health.healthy is 0" },
            { { endpoints = { fixture.endpoint({ id = "xyz" }) } }, "id is" },
            { { endpoints = { fixture.endpoint({ port = "80" }) } }, "port is 80" },
            { { endpoints = { fixture.endpoint({ port = 65536 }) } }, "port is 65536" },
            { { endpoints = { fixture.endpoint({ state = "up" }) } }, "state is up" },
        }) do
            refused(fixture.document({ fixture.route(case[1]) }), case[2])
        end
    end)

    it("is refused when a name occurs twice", function()
        refused(fixture.document({ fixture.route(), fixture.route() }), "route 2 web: the name occurs twice")
    end)

    it("may have routes of other hosts, which it lists", function()
        assert.equal(2, read(fixture.two_hosts(true)).routes[2].host)
        for _, case in ipairs({
            { "number", 0, "host 1: number is 0" }, { "number", 1.5, "host 1: number is 1.5" },
            { "answers", "yes", "host 1: answers must be true or false" }, { "since", 5, "host 1: since is 5" },
            { "name", "", 'host 1: name is ""' }, { "subnet", false, "host 1: subnet is false" },
            { "number", 3, "route 2 web.h2: host 2 is not in the list of hosts" },
        }) do
            local other = fixture.two_hosts(true)
            other.hosts[1][case[1]] = case[2]
            refused(other, case[3])
        end
        local other = fixture.two_hosts(true)
        other.unrouted[1].host = "2"
        refused(other, "unrouted 1: host 2 is not in the list of hosts")
        other.hosts = 5
        refused(other, "hosts is not a list")
    end)

    it("lets others run meanwhile", function()
        local routes, pauses = {}, 0
        for number = 1, 100 do routes[number] = fixture.route({ name = "web" .. number }) end
        document.read(cjson.encode(fixture.document(routes)), range, function() pauses = pauses + 1 end)
        assert.equal(4, pauses)
    end)
end)

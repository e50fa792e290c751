local fixture = require("fixture")

describe("the way of a request", function()
    local access, health, refused, state

    before_each(function()
        ngx.reset()
        refused = nil
        package.loaded["flatnet.own_pages"] = { answer = function(path) return path == "/" end,
            fallback = function() refused = "own 404" end }
        package.loaded["flatnet.pages"] = { refuse = function(status, reason) refused = status .. " " .. reason end,
            unavailable = function(route) refused = "503 " .. route.name end }
        package.loaded["flatnet.probe"] = { accepts = function() return false end }
        package.loaded["flatnet.recover"] = { watch = function() end }
        package.loaded["flatnet.hold"], package.loaded["flatnet.access"] = nil, nil
        require("flatnet.own_names").start({ name = "dev-pc", domains = { "local" } })
        health, state, access = require("flatnet.health"), require("flatnet.state"), require("flatnet.access")
        state.table = fixture.table()
    end)
    teardown(function()
        for _, name in ipairs({ "own_pages", "pages", "probe", "recover", "hold", "access" }) do
            package.loaded["flatnet." .. name] = nil
        end
    end)

    local function dispatch(host, uri, request_uri)
        ngx.var.host, ngx.var.uri, ngx.var.request_uri = host, uri, request_uri or uri
        ngx.var.flatnet_target, ngx.var.flatnet_prefix = "", ""
        access.dispatch()
    end

    it("leads to the place for the route", function()
        for place, changes in pairs({ ["@http"] = { scheme = "https" }, ["@stream"] = { stream = true },
            ["@grpc"] = { scheme = "grpc" } }) do
            state.table = fixture.table({ fixture.route(changes) })
            dispatch("web.local", "/x")
            assert.same({ place, "web", changes.scheme or "http", "/x" },
                { ngx.place, ngx.var.flatnet_route, ngx.var.flatnet_scheme, ngx.var.flatnet_target })
        end
        dispatch("WEB.local", "/x")
        assert.equal("404 unknown_host", refused)
    end)

    it("changes the path of gRPC calls in place", function()
        state.table = fixture.table({ fixture.route({ scheme = "grpc", path = "/rpc", strip = true }) })
        dispatch("web.local", "/rpc/pkg.Service/Call")
        assert.equal("/pkg.Service/Call", ngx.uri)
    end)

    it("ends with pages of its own", function()
        dispatch("other.local", "/")
        assert.equal("404 unknown_host", refused)
        dispatch("192.168.7.1", "/nothing")
        assert.equal("own 404", refused)
        refused = nil
        dispatch("192.168.7.1", "/")
        assert.is_nil(refused)
        state.table = nil
        dispatch("web.local", "/")
        assert.equal("503 no_routes", refused)
        assert.is_nil(ngx.place)
    end)

    it("strips a prefix and keeps the rest as it was written", function()
        state.table = fixture.table({ fixture.route({ path = "/app", strip = true }) })
        for asked, wanted in pairs({ ["/app/"] = "/", ["/app/?x=%20"] = "/?x=%20", ["/app/a%2Fb"] = "/a%2Fb" }) do
            dispatch("web.local", (string.gsub(string.gsub(asked, "?.*", ""), "%%2F", "/")), asked)
            assert.equal(wanted, ngx.var.flatnet_target)
            assert.equal("/app", ngx.var.flatnet_prefix)
        end
        ngx.method, ngx.var.is_args, ngx.var.args = "POST", nil, nil
        dispatch("web.local", "/app", "/app?x")
        assert.equal("/?x", ngx.var.flatnet_target)
        ngx.method, ngx.var.is_args, ngx.var.args = nil, "?", "x=%20"
        dispatch("web.local", "/app", "/app?x=%20")
        assert.equal("308 /app/?x=%20", ngx.place)
        ngx.var.http_upgrade = "websocket"
        dispatch("web.local", "/app", "/app?x=%20")
        assert.same({ "@http", "/?x=%20" }, { ngx.place, ngx.var.flatnet_target })
        -- With another escaping, the target is rebuilt from the decoded URI.
        ngx.var.is_args, ngx.var.args = "?", "q=1"
        dispatch("web.local", "/app/x y/%", "/%61pp/x%20y/%25?q=1")
        assert.equal("/x%20y/%25?q=1", ngx.var.flatnet_target)
    end)

    it("hands an endpoint to the balancer", function()
        ngx.var.flatnet_route, ngx.var.flatnet_connection = "web", "upgrade"
        access.admit()
        assert.equal("10.87.1.2", ngx.ctx.endpoint.address)
        assert.is_true(ngx.ctx.is_upgrade)
        assert.is_false(ngx.ctx.is_again)
        assert.is_nil(ngx.var.flatnet_held)
    end)

    it("ends with a page when nothing can be used", function()
        state.table.routes[1].hold = 0
        health.failed(state.table.routes[1].endpoints[1])
        ngx.var.flatnet_route = "web"
        access.admit()
        assert.equal("503 web", refused)
        state.table = fixture.table({})
        access.admit()
        assert.equal("404 unknown_host", refused)
    end)

    it("does not repeat a body that was passed on while it came in", function()
        ngx.var.upstream_addr, ngx.var.upstream_bytes_sent = "10.87.1.2:3000", "0"
        ngx.var.upstream_connect_time, ngx.var.upstream_status = "-", "502"
        for method, repeated in pairs({ POST = false, GET = true }) do
            for _, changes in ipairs({ { stream = true }, { scheme = "grpc" } }) do
                changes.hold = 0
                state.table = fixture.table({ fixture.route(changes) })
                ngx.var.flatnet_route, ngx.method, refused = "web", method, nil
                access.admit()
                assert.equal(repeated and "503 web" or "502 down", refused)
            end
        end
    end)

    it("repeats after a refused connection, and not what may have been received", function()
        ngx.var.flatnet_route, ngx.method = "web", "POST"
        ngx.var.upstream_addr, ngx.var.upstream_bytes_sent = "10.87.1.2:3000", "0"
        ngx.var.upstream_connect_time, ngx.var.upstream_status = "-", "502"
        state.table.routes[1].hold = 0
        access.admit()
        assert.equal(1, ngx.var.flatnet_replays)
        assert.equal("503 web", refused)
        assert.equal("down", health.word(state.table.routes[1].endpoints[1]))
        health.answered(state.table.routes[1].endpoints[1])
        ngx.var.upstream_bytes_sent, ngx.var.upstream_connect_time = "100", "0.001"
        access.admit()
        assert.equal("502 broke_off", refused)
        assert.equal("up", health.word(state.table.routes[1].endpoints[1]))
        ngx.var.upstream_status = "504"
        access.admit()
        assert.equal("504 timed_out", refused)
    end)

    it("lets a container die that breaks off, before it repeats what was sent", function()
        ngx.var.flatnet_route, ngx.var.upstream_addr, ngx.var.upstream_bytes_sent = "web", "10.87.1.2:3000", "100"
        ngx.var.upstream_connect_time, ngx.var.upstream_status = "0.001", "502"
        local began = ngx.now()
        access.admit()
        assert.is_near(began + 0.2, ngx.now(), 0.001)
        assert.equal("10.87.1.2:3000", ngx.ctx.endpoint.peer)
        assert.is_true(ngx.ctx.is_again)
        -- With `hold` 0, the page comes without the pause.
        state.table.routes[1].hold, began = 0, ngx.now()
        access.admit()
        assert.equal(began, ngx.now())
        -- Another endpoint can take the request at once.
        local other = fixture.endpoint({ address = "10.87.1.3" })
        state.table = fixture.table({ fixture.route({ endpoints = { other, fixture.endpoint() } }) })
        began = ngx.now()
        for _ = 1, 3 do
            access.admit()
            assert.equal(began, ngx.now())
            assert.equal("10.87.1.3:3000", ngx.ctx.endpoint.peer)
            assert.is_false(ngx.ctx.is_again)
        end
    end)
end)

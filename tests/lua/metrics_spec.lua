local log = require("flatnet.log")
local metrics = require("flatnet.metrics")

describe("metrics", function()
    before_each(ngx.reset)

    local function text(model)
        return metrics.text(model or { routes = {}, generation = 7 }, { { "active", "3" } })
    end

    it("count requests by route and status", function()
        metrics.count("web", 200, 0.5, nil, nil)
        metrics.count("web", 200, 0.25, "1.5", "")
        metrics.count("", 404, 0, nil, "1")
        local said = text()
        for _, line in ipairs({ 'flatnet_requests_total{route="web",status="200"} 2',
            'flatnet_requests_total{route="",status="404"} 1',
            'flatnet_request_seconds_total{route="web"} 0.75', 'flatnet_requests_held_total{route="web"} 1',
            'flatnet_requests_replayed_total{route=""} 1', "flatnet_routes_generation 7", "flatnet_routes_fresh 1",
            'flatnet_connections{state="active"} 3' }) do
            assert.matches("\n" .. line .. "\n", said, 1, true)
        end
    end)

    it("are in a form that Prometheus reads", function()
        metrics.count("web", 200, 0.5, "1", "1")
        for line in string.gmatch(text(), "[^\n]+") do
            assert.is_truthy(string.find(line, "^# [HT][EY][LP][PE] flatnet_") or string.find(line, "^flatnet_[%w_]+[ {]"), line)
        end
    end)

    it("escape what is in a label, and tell of endpoints and of a bad file", function()
        local said = text({ generation = nil, problem = { message = "torn" }, routes = { { name = "web", endpoints = {
            { container = 'a"\\b', address = "10.87.1.2", port = 80, health = "up" },
            { container = "c", address = "10.87.1.3", port = 80, health = "down" },
        } } } })
        assert.matches('container="a\\"\\\\b",address="10.87.1.2:80"} 1', said, 1, true)
        assert.matches('container="c",address="10.87.1.3:80"} 0', said, 1, true)
        assert.matches("flatnet_routes_fresh 0", said, 1, true)
    end)

    it("are fed by the log, which learns the container", function()
        ngx.ctx.route, ngx.ctx.endpoint = { name = "web" }, { container = "web-1" }
        ngx.status, ngx.var.flatnet_route = 503, "web"
        log.run()
        assert.equal("web-1", ngx.var.flatnet_container)
        assert.matches('flatnet_requests_total{route="web",status="503"} 1', text(), 1, true)
        -- locations.conf has set the route's name, which is usually the container's.
        ngx.ctx.is_fast_path, ngx.var = true, {}
        log.run()
        assert.equal("web-1", ngx.var.flatnet_container)
        ngx.ctx.endpoint, ngx.var = { container = "web" }, {}
        log.run()
        assert.same({}, ngx.var)
        assert.matches('flatnet_requests_total{route="web",status="503"} 3', text(), 1, true)
    end)
end)

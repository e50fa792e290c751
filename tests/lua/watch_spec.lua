local cjson = require("cjson.safe")
local fixture = require("fixture")

describe("watching the list", function()
    local folder, state, watch

    local function path(name) return folder .. "/state/" .. name end

    local function write(content)
        local handle = assert(io.open(path("routes.json"), "wb"))
        handle:write(type(content) == "string" and content or cjson.encode(content))
        handle:close()
    end

    before_each(function()
        ngx.reset()
        folder = os.tmpname()
        os.remove(folder)
        assert(os.execute("mkdir -p " .. folder .. "/state"))
        for _, name in ipairs({ "watch", "state" }) do package.loaded["flatnet." .. name] = nil end
        state, watch = require("flatnet.state"), require("flatnet.watch")
        local given = fixture.settings()
        given.prefix = folder .. "/"
        state.settings = require("flatnet.settings").check(given)
    end)
    after_each(function() os.execute("rm -r " .. folder) end)

    it("takes up a new list, tells of it, and keeps it for the next start", function()
        local calls = 0
        watch.on_change(function() calls = calls + 1 end)
        watch.start()
        assert.is_nil(state.table)
        watch.start_worker()
        write(fixture.document())
        ngx.turn(0.3)
        assert.equal(7, state.table.generation)
        assert.equal(1, calls)
        assert.is_truthy(io.open(path("routes.last-good.json"), "rb"))
        ngx.turn(5)
        assert.equal(1, calls)
    end)

    it("keeps the table when the list goes bad, and complains once", function()
        write(fixture.document())
        watch.start()
        watch.start_worker()
        local before = state.table
        write("{")
        ngx.turn(1)
        assert.equal(before, state.table)
        assert.matches("not valid JSON", state.problem.message)
        os.remove(path("routes.json"))
        ngx.turn(1)
        assert.equal(before, state.table)
        assert.matches("No such file", state.problem.message)
        assert.equal(2, #ngx.logged)
        write(fixture.document())
        ngx.turn(1)
        assert.is_nil(state.problem)
        assert.are_not.equal(before, state.table)
    end)

    it("begins with the list as it is, where nginx starts a worker in place of another", function()
        write(fixture.document())
        watch.start()
        write(fixture.document({}))
        watch.start_worker()
        assert.equal(0, #state.table.routes)
    end)

    it("goes on when one that is calls fails", function()
        watch.on_change(function() error("no reason") end)
        watch.start()
        watch.start_worker()
        write(fixture.document())
        ngx.turn(1)
        assert.matches("no reason", state.problem.message)
        write("{")
        ngx.turn(1)
        assert.matches("not valid JSON", state.problem.message)
    end)

    it("starts with the last good list when there is no other", function()
        write(fixture.document())
        os.rename(path("routes.json"), path("routes.last-good.json"))
        watch.start()
        assert.equal(7, state.table.generation)
        assert.equal("state/routes.last-good.json", state.source)
        assert.matches("No such file", state.problem.message)
    end)

    it("goes on after an error of its own", function()
        watch.start_worker()
        local failing = true
        local file = require("flatnet.file")
        local read = file.read
        file.read = function(...)
            if failing then error("out of luck") end
            return read(...)
        end
        write(fixture.document())
        ngx.turn(0.6)
        assert.matches("out of luck", state.problem.message)
        failing = false
        ngx.turn(0.3)
        file.read = read
        assert.equal(7, state.table.generation)
    end)
end)

local json = require("flatnet.json")

describe("json", function()
    it("tells lists from objects", function()
        local value = { a = json.list(), b = {}, c = json.list({ 1, { x = "y" } }) }
        assert.equal('{"a":[],"b":{},"c":[1,{"x":"y"}]}', json.encode(value))
    end)

    it("escapes, but not slashes", function()
        assert.equal([["a/b\\/\"\n"]], json.encode('a/b\\/"\n'))
    end)
end)

local cjson = require("cjson.safe")
local texts = require("flatnet.texts")

describe("texts", function()
    local function slots(text)
        local list = {}
        for name in string.gmatch(text, "{([%w_]+)}") do list[name] = true end
        return list
    end

    it("are there in both languages, with the same things filled in", function()
        for key, text in pairs(texts.en) do
            assert.is_string(texts.ja[key], key)
            for name in pairs(slots(texts.ja[key])) do
                assert.is_true(slots(text)[name], key .. " fills in " .. name .. " in one language only")
            end
        end
        for key in pairs(texts.ja) do
            assert.is_string(texts.en[key], key)
        end
    end)

    it("translate the reason of every container without a route, with the same things filled in", function()
        local file = assert(io.open("tests/lua/unrouted_reasons.json"))
        local sentences = assert(cjson.decode(file:read("*a")))
        file:close()
        for reason, sentence in pairs(sentences) do
            assert.is_string(texts.why.ja[reason], reason)
            assert.same(slots(sentence), slots(texts.why.ja[reason]), reason)
        end
        for reason in pairs(texts.why.ja) do
            assert.is_string(sentences[reason], reason)
        end
    end)

    it("are filled in as they are", function()
        assert.equal("100% of a.b%1 {other}", texts.fill("100% of {name} {other}", { name = "a.b%1" }))
    end)
end)

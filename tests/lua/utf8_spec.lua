local utf8 = require("flatnet.utf8")

describe("UTF-8", function()
    it("is ASCII, whole characters of each length, and nothing", function()
        for _, text in ipairs({ "", "curl/7.88", "é", "aéa", "日本", "😀", "\244\143\191\191", "\237\159\191", "\0" }) do
            assert.is_true(utf8.is_valid(text), text)
        end
        assert.is_true(utf8.is_valid(nil))
    end)

    it("is no byte alone, no character cut short, none too long, no surrogate, none behind the last", function()
        for _, text in ipairs({ "\233", "a\233a", "\195", "\169", "\226\130", "\192\128", "\224\159\191", "\237\160\128",
            "\244\144\128\128", "\245\128\128\128", "\255", "é\233", "\226\195\169\130\172" }) do
            assert.is_false(utf8.is_valid(text), (string.gsub(text, ".", function(c) return string.byte(c) .. " " end)))
        end
    end)

    it("is remembered, and answers the same", function()
        for number = 1, 2500 do
            assert.is_true(utf8.is_valid("/" .. number))
            assert.is_false(utf8.is_valid("\233" .. number))
        end
        assert.is_true(utf8.is_valid("/1"))
        assert.is_false(utf8.is_valid("\2331"))
        assert.is_false(utf8.is_valid(string.rep("x", 600) .. "\233"))
    end)
end)

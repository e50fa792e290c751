local negotiation = require("flatnet.negotiation")

describe("accept", function()
    it("chooses the language by weight", function()
        for header, language in pairs({
            [""] = "en", ["fr"] = "en", ["ja"] = "ja", ["ja-JP"] = "ja", ["JA"] = "ja", ["en-US,en;q=0.9,ja;q=0.8"] = "en",
            ["ja,en-US;q=0.7,en;q=0.3"] = "ja", ["en;q=0.1, ja;q=0.2"] = "ja", ["jav"] = "en", ["ja;q=0"] = "en", ["*"] = "en",
            [",;q=,ja;q=x"] = "ja",
        }) do
            assert.equal(language, negotiation.language(header), header)
        end
        assert.equal("en", negotiation.language(nil))
    end)

    it("gives HTML to who asks for it, JSON to the others", function()
        assert.equal("text/html", negotiation.form("text/html,application/xhtml+xml,*/*;q=0.8"))
        assert.equal("application/json", negotiation.form("*/*"))
        assert.equal("application/json", negotiation.form(nil))
        assert.equal("application/json", negotiation.form("application/json, text/html;q=0.5"))
    end)
end)

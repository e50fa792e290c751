local html = require("flatnet.html")

describe("html", function()
    it("escapes", function()
        assert.equal("&lt;a href=&quot;x&quot;&gt;&amp;&#39;", html.escape("<a href=\"x\">&'"))
        assert.equal("3000", html.escape(3000))
    end)

    it("fills in, once", function()
        assert.equal("<p>{{b}} %1</p>", html.fill("<p>{{a}}</p>", { a = "{{b}} %1", b = "never" }))
        assert.error_matches(function() html.fill("{{missing}}", {}) end, "no value for missing")
    end)

    it("puts style and script into the pages that are delivered", function()
        for _, name in ipairs({ "portal", "error" }) do
            local page = html.load("templates/gateway/", name)
            assert.matches("prefers-color-scheme: dark", page, 1, true)
            assert.matches('"use strict";', page, 1, true)
            assert.is_nil(string.find(page, "{{style}}", 1, true))
        end
        assert.error_matches(function() html.load("/nowhere/", "portal") end, "No such file")
    end)
end)

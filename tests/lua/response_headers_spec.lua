local response_headers = require("flatnet.response_headers")

describe("what a container writes about itself", function()
    local function fitted(scheme, client_host, prefix, pairs_of)
        for written, seen in pairs(pairs_of) do
            assert.equal(seen, response_headers.url(written, scheme, client_host, prefix), written)
        end
    end

    it("gets the stripped prefix back, and TLS, whatever scheme and usual port it wrote", function()
        fitted("https", "flatnet.internal", "/wiki", {
            ["/login"] = "/wiki/login",
            ["/wiki/login"] = "/wiki/login",
            ["/wiki"] = "/wiki",
            ["/wikis"] = "/wiki/wikis",
            ["login"] = "login",
            ["?page=2"] = "?page=2",
            ["http://flatnet.internal/login"] = "https://flatnet.internal/wiki/login",
            ["http://flatnet.internal:80/login"] = "https://flatnet.internal/wiki/login",
            ["https://FLATNET.internal:443/login"] = "https://flatnet.internal/wiki/login",
            ["https://flatnet.internal"] = "https://flatnet.internal/wiki/",
            ["http://flatnet.internal/wiki/login#x"] = "https://flatnet.internal/wiki/login#x",
            ["//flatnet.internal/login"] = "//flatnet.internal/wiki/login",
            ["https://example.org/login"] = "https://example.org/login",
            ["https://flatnet.internal.example.org/"] = "https://flatnet.internal.example.org/",
            ["https://flatnet.internal:8443/"] = "https://flatnet.internal:8443/",
            ["//example.org/"] = "//example.org/",
            ["mailto:a@flatnet.internal"] = "mailto:a@flatnet.internal",
            ["app://flatnet.internal/x"] = "app://flatnet.internal/x",
        })
    end)

    it("keeps the client's own port, and a way to HTTPS", function()
        fitted("http", "flatnet.internal:8080", "/wiki", {
            ["http://flatnet.internal:8080/login"] = "http://flatnet.internal:8080/wiki/login",
            ["http://flatnet.internal/login"] = "http://flatnet.internal:8080/wiki/login",
            ["https://flatnet.internal/login"] = "https://flatnet.internal/wiki/login",
        })
        fitted("https", "web.local", "", {
            ["http://web.local/x"] = "https://web.local/x",
            ["/x"] = "/x",
        })
    end)

    it("may be a page that loads another one after a while", function()
        local refresh = function(value) return response_headers.refresh(value, "http", "web.local", "/a") end
        assert.equal("5; url=/a/next", refresh("5; url=/next"))
        assert.equal("0;URL='/a/next'", refresh("0;URL='/next'"))
        assert.equal("5", refresh("5"))
    end)
end)

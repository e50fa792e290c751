local relay = require("flatnet.relay")

describe("an answer behind 1xx", function()
    -- Imitates a container that sends these pieces, then nothing.
    local function skip(...)
        local pieces = { ... }
        return relay.skip({ receiveany = function() return table.remove(pieces, 1) end })
    end
    local FINAL = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    local HINTS = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

    it("is what comes first that is not 1xx, however it is cut", function()
        assert.equal(FINAL, skip(FINAL))
        assert.equal(FINAL, skip(HINTS .. FINAL))
        assert.equal(FINAL, skip(HINTS, "HTTP/1.1 102 Processing\r\n\r\n", FINAL))
        local all = HINTS .. HINTS .. FINAL
        for cut = 1, #all - 1 do
            local seen = skip(string.sub(all, 1, cut), string.sub(all, cut + 1))
            assert.equal(string.sub(FINAL, 1, #seen), seen, cut)
            assert.is_true(#seen >= 12, cut)
        end
    end)

    it("may be a change of protocol, or nothing that is HTTP", function()
        assert.equal("HTTP/1.1 101 Switching Protocols\r\n", skip(HINTS, "HTTP/1.1 101 Switching Protocols\r\n"))
        assert.equal("SSH-2.0-OpenSSH_9.2\r\n", skip("SSH-2.0-OpenSSH_9.2\r\n"))
        assert.equal("", skip())
        assert.equal("HTTP/1.1 10", skip("HTTP/1.1 10"))
    end)

    it("is not waited for behind a head without an end", function()
        assert.is_nil(skip("HTTP/1.1 103 Early Hints\r\n", string.rep("a", 70000), FINAL))
    end)
end)

describe("a relayed request", function()
    local saved = _G.ngx
    after_each(function() _G.ngx = saved end)

    -- Runs the threads one after the other, `up` first.
    local function pass(client_says, container_says)
        local limits
        local function peer(pieces)
            return {
                settimeouts = function(_, ...) limits = { ... } end,
                send = function() return true end,
                receiveany = function()
                    local piece = table.remove(pieces, 1)
                    return piece and piece.data, piece and piece.why or not piece and "closed" or nil
                end,
            }
        end
        _G.ngx = {
            req = { raw_header = function() return "GET / HTTP/1.1\r\nX-Flatnet-Peer: 1\r\n\r\n" end },
            thread = {
                spawn = function(run, ...) return { run = run, arguments = { ... } } end,
                wait = function(first, second)
                    local thread = second or first
                    return true, thread.run(unpack(thread.arguments))
                end,
            },
        }
        return relay.pass(peer(client_says), peer(container_says)), limits
    end

    it("waits for an answer as long as any other", function()
        local _, limits = pass({}, { { data = "HTTP/1.1 200 OK\r\n\r\nok" } })
        assert.is_true(limits[3] >= 300000, limits[3])
    end)

    it("is whole where the container closed, and nowhere else", function()
        assert.is_true((pass({}, { { data = "HTTP/1.1 200 OK\r\n\r\nok" } })))
        for _, why in ipairs({ "connection reset by peer", "timeout" }) do
            assert.is_false((pass({}, { { data = "HTTP/1.1 200 OK\r\n\r\npart" }, { why = why } })), why)
        end
        assert.is_false((pass({}, {})))
    end)
end)

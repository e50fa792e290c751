local file = require("flatnet.file")

describe("file", function()
    local path = os.tmpname()
    after_each(function() os.remove(path) end)

    local function write(content)
        local handle = assert(io.open(path, "wb"))
        handle:write(content)
        handle:close()
    end

    it("reads the whole, without a byte order mark", function()
        write("\239\187\191{}\r\n")
        assert.equal("{}\r\n", file.read(path))
    end)

    it("says what is wrong with an empty, a missing and a directory", function()
        write("")
        assert.same({ nil, path .. ": the file is empty" }, { file.read(path) })
        os.remove(path)
        assert.matches("No such file", select(2, file.read(path)))
        assert.matches("Is a directory", select(2, file.read("/tmp")))
    end)

    it("replaces", function()
        write("old")
        assert.is_truthy(file.replace(path, "new"))
        assert.equal("new", file.read(path))
        assert.is_nil(file.read(path .. ".new"))
    end)

    it("replaces where rename does not, as on Windows", function()
        write("old")
        local rename = os.rename
        local snapshot = assert:snapshot()
        stub(os, "rename", function(from, to)
            local there = io.open(to, "rb")
            if there then there:close() return nil, "File exists" end
            return rename(from, to)
        end)
        assert.is_truthy(file.replace(path, "new"))
        snapshot:revert()
        assert.equal("new", file.read(path))
    end)

    it("says why it cannot", function()
        assert.matches("No such file", select(2, file.replace("/nowhere/file", "x")))
    end)
end)

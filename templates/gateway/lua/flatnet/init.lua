-- Called by nginx.conf: once before the workers start, and in each worker.
local M = {}

function M.start(given)
    local state = require("flatnet.state")
    state.settings = require("flatnet.settings").check(given)
    -- Whatever is used while requests run is read now: where something is missing, nginx does not start.
    require("flatnet.names").start(state.settings)
    require("flatnet.pages").start(state.settings)
    require("flatnet.portal").start(state.settings)
    require("flatnet.access")
    require("flatnet.quick")
    require("flatnet.balancer")
    require("flatnet.log")
    require("flatnet.informational")
    require("flatnet.answer")
    require("flatnet.relay")
    require("flatnet.watch").start()
end

function M.start_worker()
    -- Requests leave some hundred bytes each: the collector may wait until there are four times what is needed, a few MB.
    collectgarbage("setpause", 400)
    local watch = require("flatnet.watch")
    if ngx.worker.id() == 0 then
        watch.on_change(require("flatnet.checks").follow)
    end
    watch.start_worker()
end

return M

-- Entry points for nginx.conf: once before the workers start, and in each worker.
local M = {}

function M.start(given)
    local state = require("flatnet.state")
    state.settings = require("flatnet.settings").check(given)
    -- Load all modules that requests use: if one is missing, nginx does not start.
    require("flatnet.own_names").start(state.settings)
    require("flatnet.pages").start(state.settings)
    require("flatnet.portal").start(state.settings)
    require("flatnet.access")
    require("flatnet.fast_path")
    require("flatnet.balancer")
    require("flatnet.log")
    require("flatnet.informational")
    require("flatnet.response_headers")
    require("flatnet.relay")
    require("flatnet.watch").start()
end

function M.start_worker()
    -- A request leaves a few hundred bytes of garbage: collect only when memory has grown fourfold, to a few MB.
    collectgarbage("setpause", 400)
    local watch = require("flatnet.watch")
    if ngx.worker.id() == 0 then
        watch.on_change(require("flatnet.checks").follow)
    end
    watch.start_worker()
end

return M

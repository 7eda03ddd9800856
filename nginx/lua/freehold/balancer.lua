-- One connection to a house, and what to do when there is none.

local balancer = require "ngx.balancer"
local routes = require "freehold.routes"
local start = require "freehold.start"

-- Shorter than apps keep a silent connection, five seconds with some: one that they have closed meanwhile
-- must not be used.
local IDLE = 4
local REQUESTS = 10000
-- nginx's "no live upstreams": ends the request with 502 and sends it nowhere else.
local NOBODY = -3

local SAFE = { GET = true, HEAD = true, OPTIONS = true }

local M = {}

local function house(var)
    local name, address = routes.parts(var.fh_live)
    -- Connections are kept by house, so that an address that has passed on to another one cannot bring its own.
    local ok, err = balancer.set_current_peer(address, 0, name)
    if not ok then
        ngx.log(ngx.ERR, "a house's address cannot be used: ", err)
        return ngx.exit(NOBODY)
    end
    balancer.enable_keepalive(IDLE, REQUESTS)
end

local function gateway(var)
    var.fh_way = "gateway"
    if var.fh_said ~= "" then
        var.fh_said = "gateway"
    end
    local ok, err = balancer.set_current_peer(start.gateway)
    if not ok then
        ngx.log(ngx.ERR, "the gateway's address cannot be used: ", err)
        return ngx.exit(NOBODY)
    end
end

function M.pick()
    local var = ngx.var
    local failed, status = balancer.get_last_failure()
    if not failed then
        balancer.set_more_tries(2)
        return house(var)
    end
    if var.fh_way ~= "direct" then
        return ngx.exit(NOBODY)
    end
    local tries, last = 0, nil
    for sent in string.gmatch(var.upstream_bytes_sent or "", "[%d-]+") do
        tries, last = tries + 1, sent
    end
    if last == "0" or last == "-" then
        -- Nothing was sent: nobody is at home, and the gateway knows why.
        return gateway(var)
    end
    if tries == 1 and status ~= 504 and SAFE[var.request_method] then
        -- A kept connection that its app closed just as it was used, most likely.
        return house(var)
    end
    return ngx.exit(NOBODY)
end

return M

-- One connection to a house, and what to do when there is none.

local balancer = require "ngx.balancer"
local counts = require "freehold.counts"
local routes = require "freehold.routes"
local start = require "freehold.start"

local get_method = ngx.req.get_method

-- Shorter than apps keep a silent connection, two or five seconds with some: one that they have closed meanwhile
-- must not be used. What may be sent twice outlives such a mistake; what may not gets connections of its own, which
-- are given up long before any app does.
local IDLE = 4
local IDLE_ONCE = 1
local REQUESTS = 10000
-- nginx's "no live upstreams": ends the request with 502 and sends it nowhere else.
local NOBODY = -3

-- What may be sent twice.
local SAFE = { GET = true, HEAD = true, OPTIONS = true }

local M = {}

-- Connections are kept by house, so that an address that has passed on to another one cannot bring its own; and by
-- how young they must be.
local function house(live, idle, kind)
    local name, address = routes.parts(live)
    local ok, err = balancer.set_current_peer(address, 0, kind and name .. kind or name)
    if not ok then
        ngx.log(ngx.ERR, "a house's address cannot be used: ", err)
        return ngx.exit(NOBODY)
    end
    if idle then
        balancer.enable_keepalive(idle, REQUESTS)
    end
end

local function gateway(var)
    counts.moved(var.host, var.fh_live, "gateway")
    var.fh_live = "gateway"
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

-- Once more, where the house is now, on a connection that nobody has used.
local function again(var)
    local live = routes.get(var.host)
    if not live then
        return gateway(var)
    end
    if live ~= var.fh_live then
        counts.moved(var.host, var.fh_live, live)
        var.fh_live = live
        if var.fh_said ~= "" then
            var.fh_said = "direct " .. live
        end
    end
    return house(live)
end

function M.pick()
    local var = ngx.var
    local failed, status = balancer.get_last_failure()
    if not failed then
        balancer.set_more_tries(2)
        if SAFE[get_method()] then
            return house(var.fh_live, IDLE)
        end
        return house(var.fh_live, IDLE_ONCE, " once")
    end
    if var.fh_way ~= "direct" then
        return ngx.exit(NOBODY)
    end
    local tries, last = 0, nil
    for sent in string.gmatch(var.upstream_bytes_sent or "", "[%d-]+") do
        tries, last = tries + 1, sent
    end
    local unsent = last == "0" or last == "-"
    if tries == 1 and status ~= 504 and (unsent or SAFE[get_method()]) then
        -- A kept connection that its app closed just as it was used, or a house that has just moved.
        return again(var)
    end
    if unsent then
        -- Nothing was sent: nobody is at home, and the gateway knows why.
        return gateway(var)
    end
    return ngx.exit(NOBODY)
end

return M

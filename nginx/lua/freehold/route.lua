-- Where a request goes: decided by its host alone, before anything of it is sent anywhere.

local bit = require "bit"
local counts = require "freehold.counts"
local headers = require "freehold.headers"
local routes = require "freehold.routes"
local start = require "freehold.start"

local byte = string.byte

local M = {}

-- In a time that does not tell how much of it was right.
local function same(given, secret)
    if #given ~= #secret then
        return false
    end
    local difference = 0
    for i = 1, #secret do
        difference = bit.bor(difference, bit.bxor(byte(given, i), byte(secret, i)))
    end
    return difference == 0
end

-- Drops what only we may say, and tells whether it is the prober who asks.
local function prepare(var)
    if not headers.suspect() then
        return false
    end
    local probe = var.http_x_freehold_probe
    headers.clean(var)
    return probe and start.secret and same(probe, start.secret)
end

-- By a location that ends the connection with the answer, while this process is about to be replaced.
local function last(var, way, upstream)
    var.fh_way = way
    var.fh_to = upstream
    return ngx.exec("@closing")
end

local function platform(var, host)
    if prepare(var) then
        var.fh_said = "platform"
    end
    counts.began(host, "platform")
    var.fh_counted = "platform"
end

function M.visitor()
    local var = ngx.var
    -- Lower case, without port and trailing dot; a target that names a host outdoes the header (RFC 9112, 3.2.2).
    local host = var.host
    local live = routes.get(host)
    if live then
        counts.began(host, live)
        var.fh_live = live
        if prepare(var) then
            var.fh_said = "direct " .. live
        end
        if start.closing then
            return last(var, "direct", "freehold_direct")
        end
        return
    end
    if not routes.is_host(host) then
        return ngx.exit(400)
    end
    if start.platform[host] then
        platform(var, host)
        if start.closing then
            return last(var, "platform", "freehold_platform")
        end
        return ngx.exec("@platform")
    end
    if prepare(var) then
        var.fh_said = "gateway"
    end
    if start.closing then
        return last(var, "gateway", "freehold_gateway")
    end
    return ngx.exec("@gateway")
end

function M.back_door()
    local var = ngx.var
    local host = var.host
    if not start.back_door[host] then
        return ngx.exit(404)
    end
    platform(var, host)
    return ngx.exec("@platform")
end

return M

-- Where a request goes: decided by its host alone, before anything of it is sent anywhere.

local bit = require "bit"
local counts = require "freehold.counts"
local routes = require "freehold.routes"
local start = require "freehold.start"

local byte, lower, sub = string.byte, string.lower, string.sub
local clear_header = ngx.req.clear_header
local get_headers = ngx.req.get_headers

-- Names that only we may use, or that say of a request what only we know.
local OURS = {
    forwarded = true,
    ["x-real-ip"] = true,
    ["x-client-ip"] = true,
    ["x-cluster-client-ip"] = true,
    ["true-client-ip"] = true,
    ["x-original-url"] = true,
    ["x-rewrite-url"] = true,
    ["x-request-id"] = true,
    ["proxy-connection"] = true,
    ["http2-settings"] = true,
}

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

local function clean(var)
    for name in pairs(get_headers(0, true)) do
        local first = lower(sub(name, 1, 1))
        if first == "x" or first == "f" or first == "p" or first == "h" or first == "t" then
            local known = lower(name)
            if OURS[known] or sub(known, 1, 12) == "x-forwarded-" or sub(known, 1, 11) == "x-freehold-" then
                clear_header(name)
            end
        end
    end
    -- Else nginx would let an app switch to what was never offered to it.
    if var.http_upgrade and var.fh_upgrade == "" then
        clear_header("Upgrade")
    end
end

local function prepare(var)
    local probe = var.http_x_freehold_probe
    if probe and start.secret and same(probe, start.secret) then
        var.fh_probe = "1"
    end
    clean(var)
end

local function go(var)
    local length = var.http_content_length
    if (length and length ~= "0") or var.http_transfer_encoding then
        return ngx.exec("@body")
    end
end

local function platform(var, host)
    var.fh_host = host
    var.fh_way = "platform"
    var.fh_upstream = "freehold_platform"
    counts.began(var, host)
    return go(var)
end

function M.visitor()
    local var = ngx.var
    -- Lower case, without port and trailing dot; a target that names a host outdoes the header (RFC 9112, 3.2.2).
    local host = var.host
    prepare(var)
    local live = routes.get(host)
    if live then
        var.fh_host = host
        var.fh_way = "direct"
        var.fh_live = live
        var.fh_upstream = "freehold_direct"
        counts.began(var, host)
        return go(var)
    end
    if not routes.is_host(host) then
        return ngx.exit(400)
    end
    if start.platform[host] then
        return platform(var, host)
    end
    var.fh_host = host
    var.fh_way = "gateway"
    var.fh_upstream = "freehold_gateway"
    return go(var)
end

function M.back_door()
    local var = ngx.var
    local host = var.host
    prepare(var)
    if not start.back_door[host] then
        return ngx.exit(404)
    end
    return platform(var, host)
end

return M

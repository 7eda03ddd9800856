-- Which headers of a visitor's request are dropped, and whether there are any.

local base = require "resty.core.base"
local bit = require "bit"
local ffi = require "ffi"
require "resty.core.request"

local C = ffi.C
local band = bit.band
local byte, lower, sub = string.byte, string.lower, string.sub
local clear_header = ngx.req.clear_header
local get_headers = ngx.req.get_headers
local get_request, get_string_buf = base.get_request, base.get_string_buf

-- Names that only we may use, or that say of a request what only we know.
local OURS = {
    forwarded = true,
    ["x-forwarded"] = true,
    -- Who asks.
    ["x-real-ip"] = true,
    ["x-client-ip"] = true,
    ["x-cluster-client-ip"] = true,
    ["x-remote-addr"] = true,
    ["x-originating-ip"] = true,
    ["client-ip"] = true,
    ["true-client-ip"] = true,
    ["cf-connecting-ip"] = true,
    ["cf-connecting-ipv6"] = true,
    ["fastly-client-ip"] = true,
    -- For what, and how.
    ["x-host"] = true,
    ["x-http-host-override"] = true,
    ["x-original-host"] = true,
    ["x-original-url"] = true,
    ["x-rewrite-url"] = true,
    ["x-scheme"] = true,
    ["x-url-scheme"] = true,
    ["front-end-https"] = true,
    ["x-request-id"] = true,
    -- Of the connection to us. Programs of the CGI kind take the first for the proxy that they shall use.
    proxy = true,
    ["proxy-authorization"] = true,
    ["proxy-connection"] = true,
    ["http2-settings"] = true,
}
-- So are all that begin with these: some servers of apps let the proxy in front of them send files in their place.
local OUR_PREFIXES = { "x-forwarded-", "x-freehold-", "x-accel-", "x-sendfile" }

-- `suspect` has no names, only their first letters and lengths, whatever their case.
local LENGTHS = 32
local X = band(byte("x"), 31)
local suspects = ffi.new("bool[?]", 32 * LENGTHS)
for name in pairs(OURS) do
    suspects[band(byte(name), 31) * LENGTHS + #name] = true
end
suspects[band(byte("u"), 31) * LENGTHS + #"upgrade"] = true

local element = ffi.typeof("ngx_http_lua_ffi_table_elt_t *")
local element_size = ffi.sizeof("ngx_http_lua_ffi_table_elt_t")
local truncated = ffi.new("int[1]")

local M = {}

-- Whether this request has a header that `clean` might drop. Most have none, and so this looks at their names where
-- nginx keeps them: to make strings of all headers costs more than everything else that is done for a request.
function M.suspect()
    local request = get_request()
    local count = C.ngx_http_lua_ffi_req_get_headers_count(request, 0, truncated)
    if count == 0 then
        return false
    end
    local all = ffi.cast(element, get_string_buf(count * element_size))
    if C.ngx_http_lua_ffi_req_get_headers(request, all, count, 1) ~= 0 then
        return true
    end
    for i = 0, count - 1 do
        local name = all[i].key
        local letter, length = band(name.data[0], 31), name.len
        if letter == X or (length < LENGTHS and suspects[letter * LENGTHS + length]) then
            return true
        end
    end
    return false
end

local function is_ours(name)
    if OURS[name] then
        return true
    end
    for _, prefix in ipairs(OUR_PREFIXES) do
        if sub(name, 1, #prefix) == prefix then
            return true
        end
    end
    return false
end

-- Drops what only we may say.
function M.clean(var)
    for name in pairs(get_headers(0, true)) do
        if is_ours(lower(name)) then
            clear_header(name)
        end
    end
    -- Else nginx would let an app switch to what was never offered to it.
    if var.http_upgrade and var.fh_upgrade == "" then
        clear_header("Upgrade")
    end
end

return M

-- What each host was served: the signal for sleep and for metering.
--
-- Keys of `counts`: r, i, o, l and the host: requests, bytes in, bytes out, when last. Keys of `open`: the
-- worker's process and the host, so that what a killed worker had open is not counted for ever.

local ffi = require "ffi"

ffi.cdef [[
int kill(int pid, int signal);
]]

local counts = ngx.shared.counts
local open = ngx.shared.open

local match, sub = string.match, string.sub
local floor = math.floor
local FIELDS = { r = "requests", i = "bytes_in", o = "bytes_out", l = "last_at" }

local M = {}

local function now()
    return floor(ngx.now() * 1000)
end

function M.began(var, host)
    var.fh_open = "1"
    open:incr(ngx.worker.pid() .. " " .. host, 1, 0)
    counts:set("l" .. host, now())
end

-- Of every request; those of hosts that nobody has are not counted, or anybody could fill the memory.
function M.ended()
    local var = ngx.var
    if var.fh_open ~= "1" then
        return
    end
    local host = var.fh_host
    local key = ngx.worker.pid() .. " " .. host
    local left = open:incr(key, -1)
    if left and left <= 0 then
        open:delete(key)
    end
    counts:incr("r" .. host, 1, 0)
    counts:incr("i" .. host, tonumber(var.request_length) or 0, 0)
    counts:incr("o" .. host, tonumber(var.bytes_sent) or 0, 0)
    counts:set("l" .. host, now())
end

local function blank()
    return { requests = 0, bytes_in = 0, bytes_out = 0, open = 0 }
end

local function add_open(of)
    local alive = {}
    for _, key in ipairs(open:get_keys(0)) do
        local pid, host = match(key, "^(%d+) (.+)$")
        if alive[pid] == nil then
            alive[pid] = ffi.C.kill(tonumber(pid), 0) == 0
        end
        if alive[pid] then
            local count = of(host)
            if count then
                count.open = count.open + (open:get(key) or 0)
            end
        else
            open:delete(key)
        end
    end
end

-- Counts by host: of all, or of one.
function M.all(only)
    local hosts = {}
    local function of(host)
        if only and host ~= only then
            return nil
        end
        hosts[host] = hosts[host] or blank()
        return hosts[host]
    end
    if only then
        for prefix, field in pairs(FIELDS) do
            local value = counts:get(prefix .. only)
            if value then
                of(only)[field] = value
            end
        end
    else
        for _, key in ipairs(counts:get_keys(0)) do
            local field = FIELDS[sub(key, 1, 1)]
            if field and key ~= "started" then
                of(sub(key, 2))[field] = counts:get(key)
            end
        end
    end
    add_open(of)
    return hosts
end

return M

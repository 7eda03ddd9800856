-- What each host was served: the signal for sleep and for metering.
--
-- How many requests are open is told at once, in `open`, by worker process and host. What ended is summed up in the
-- worker and told once in a second, in `counts`: r, i, o, l and the host for requests, bytes in, bytes out, when last.

local ffi = require "ffi"

ffi.cdef [[
int kill(int pid, int signal);
]]

local counts = ngx.shared.counts
local open = ngx.shared.open

local match, sub = string.match, string.sub
local floor = math.floor
local now = ngx.now
local FIELDS = { r = "requests", i = "bytes_in", o = "bytes_out", l = "last_at" }
-- Seconds.
local TELL = 1

-- By host, what this worker has not told yet, and what it has open.
local hosts = {}
-- The process, which `open`'s keys begin with: what a killed worker had open is not counted for ever.
local process = ""

local M = {}

local function of(host)
    local count = hosts[host]
    if not count then
        count = { key = process .. host, open = 0, requests = 0, bytes_in = 0, bytes_out = 0, last = 0 }
        hosts[host] = count
    end
    return count
end

function M.began(host)
    local count = of(host)
    count.open = count.open + 1
    count.last = now()
    open:set(count.key, count.open)
end

-- Of every request; those of hosts that nobody has are not counted, or anybody could fill the memory.
function M.ended()
    local var = ngx.var
    if var.fh_live == "" and var.fh_counted ~= "1" then
        return
    end
    local count = of(var.host)
    count.open = count.open - 1
    count.last = now()
    count.requests = count.requests + 1
    count.bytes_in = count.bytes_in + (tonumber(var.request_length) or 0)
    count.bytes_out = count.bytes_out + (tonumber(var.bytes_sent) or 0)
    open:set(count.key, count.open)
end

local function tell()
    for host, count in pairs(hosts) do
        if count.last ~= 0 then
            counts:incr("r" .. host, count.requests, 0)
            counts:incr("i" .. host, count.bytes_in, 0)
            counts:incr("o" .. host, count.bytes_out, 0)
            counts:set("l" .. host, floor(count.last * 1000))
            count.requests, count.bytes_in, count.bytes_out, count.last = 0, 0, 0, 0
        end
        if count.open <= 0 then
            open:delete(count.key)
            hosts[host] = nil
        end
    end
end

function M.worker()
    process = ngx.worker.pid() .. " "
    -- All workers there ever were, numbered.
    counts:set("worker " .. counts:incr("workers", 1, 0), ngx.worker.pid())
    ngx.timer.every(TELL, tell)
end

-- Of a worker that goes: its requests have ended.
M.stop = tell

local function workers()
    local alive = {}
    for number = 1, counts:get("workers") or 0 do
        local pid = counts:get("worker " .. number)
        if pid and ffi.C.kill(pid, 0) == 0 then
            alive[tostring(pid)] = true
        end
    end
    return alive
end

local function sum(host, alive)
    local count = { requests = 0, bytes_in = 0, bytes_out = 0, open = 0 }
    for prefix, field in pairs(FIELDS) do
        count[field] = counts:get(prefix .. host) or count[field]
    end
    for pid in pairs(alive) do
        count.open = count.open + (open:get(pid .. " " .. host) or 0)
    end
    return count
end

-- Counts of one host.
function M.one(host)
    return { [host] = sum(host, workers()) }
end

-- Counts by host.
function M.all()
    local alive, found = workers(), {}
    for _, key in ipairs(open:get_keys(0)) do
        local pid, host = match(key, "^(%d+) (.+)$")
        if alive[pid] then
            found[host] = true
        else
            open:delete(key)
        end
    end
    for _, key in ipairs(counts:get_keys(0)) do
        if FIELDS[sub(key, 1, 1)] then
            found[sub(key, 2)] = true
        end
    end
    for host in pairs(found) do
        found[host] = sum(host, alive)
    end
    return found
end

return M

-- What each host was served: the signal for sleep and for metering.
--
-- How many requests are open is told at once, in `open`, by worker process and host; besides, when that becomes
-- another, by which way requests go (a live route, "gateway" or "platform"), and how many strays still went by
-- others: who is about to stop is asked for what it still has. What ended is summed up in the worker and told once in
-- a second, in `counts`: r, i, o, l and the host for requests, bytes in, bytes out, when last.

local ffi = require "ffi"
local routes = require "freehold.routes"

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
        count = {
            key = process .. host,
            ways = {},
            open = 0,
            strays = 0,
            requests = 0,
            bytes_in = 0,
            bytes_out = 0,
            last = 0,
        }
        hosts[host] = count
    end
    return count
end

local function stray(count)
    count.strays = count.open - (count.ways[count.way] or 0)
    open:set(count.key .. " strays", count.strays)
end

local function opens(host, way)
    local count = of(host)
    count.open = count.open + 1
    count.ways[way] = (count.ways[way] or 0) + 1
    if way ~= count.way then
        count.way = way
        open:set(count.key .. " way", way)
        stray(count)
    end
    open:set(count.key, count.open)
    return count
end

local function closes(host, way)
    local count = of(host)
    local left = (count.ways[way] or 1) - 1
    count.open = count.open - 1
    if left > 0 then
        count.ways[way] = left
    else
        count.ways[way] = nil
    end
    if count.strays > 0 then
        stray(count)
    end
    open:set(count.key, count.open)
    return count
end

function M.began(host, way)
    opens(host, way).last = now()
end

-- A request goes on by another way than it began.
function M.moved(host, from, to)
    opens(host, to)
    closes(host, from)
end

-- Of every request; those of hosts that nobody has are not counted, or anybody could fill the memory.
function M.ended()
    local var = ngx.var
    local way = var.fh_live
    if way == "" then
        way = var.fh_counted
        if not way or way == "" then
            return
        end
    end
    local count = closes(var.host, way)
    count.last = now()
    count.requests = count.requests + 1
    count.bytes_in = count.bytes_in + (tonumber(var.request_length) or 0)
    count.bytes_out = count.bytes_out + (tonumber(var.bytes_sent) or 0)
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
            open:delete(count.key .. " way")
            open:delete(count.key .. " strays")
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

-- What one host has open, without what went to the house at this address.
function M.open_of(host, but)
    local total = 0
    for pid in pairs(workers()) do
        local key = pid .. " " .. host
        local there = open:get(key) or 0
        local way = but and open:get(key .. " way")
        if way and select(2, routes.parts(way)) == but then
            there = open:get(key .. " strays") or 0
        end
        total = total + there
    end
    return total
end

-- Counts by host.
function M.all()
    local alive, found = workers(), {}
    for _, key in ipairs(open:get_keys(0)) do
        local pid, host = match(key, "^(%d+) (%S+)")
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

-- The control door: routes set, withdrawn and read back, and what was counted.

local cjson = require "cjson.safe"
local counts = require "freehold.counts"
local routes = require "freehold.routes"
local start = require "freehold.start"

local M = {}

local function say(status, document)
    ngx.status = status
    ngx.header["Content-Type"] = "application/json"
    ngx.print(type(document) == "string" and document or cjson.encode(document))
end

local function refuse(status, why)
    say(status, { error = why })
end

-- An empty Lua table could be either, so an empty list is written by hand.
local function say_list(name, list)
    say(200, #list == 0 and '{"' .. name .. '":[]}' or { [name] = list })
end

local function body(name)
    ngx.req.read_body()
    local document, err = cjson.decode(ngx.req.get_body_data() or "")
    if type(document) ~= "table" or type(document[name]) ~= "table" then
        refuse(400, "an object with a list of " .. name .. " is expected" .. (err and ": " .. err or ""))
        return nil
    end
    return document[name]
end

local function live(host)
    local found = routes.get(host)
    if not found then
        return nil
    end
    local house, address = routes.parts(found)
    return { host = host, house = house, address = address }
end

local function live_of(hosts)
    local found = {}
    for _, host in ipairs(hosts) do
        found[#found + 1] = live(host)
    end
    return found
end

-- All of what was given, checked before any of it is done.
local function parse_all(given)
    local parsed = {}
    for i, one in ipairs(given) do
        local route, why = routes.parse(one)
        if not route then
            refuse(422, "route " .. i .. ": " .. why)
            return nil
        end
        parsed[i] = route
    end
    return parsed
end

local function set_all(parsed)
    for _, route in ipairs(parsed) do
        local ok, err = routes.set(route)
        if not ok then
            refuse(507, "no room for the route of " .. route.host .. ": " .. err)
            return false
        end
    end
    return true
end

-- Of a house: its own, and whoever's of the hosts that it should have. One look at a house must not cost a list of
-- all routes.
local function get_routes()
    local var = ngx.var
    local house = var.arg_house
    if not house then
        return say_list("routes", live_of(routes.hosts()))
    end
    local wanted = "," .. (var.arg_hosts or "") .. ","
    local found = {}
    for _, host in ipairs(routes.hosts()) do
        if routes.leads_to(host, house) or string.find(wanted, "," .. host .. ",", 1, true) then
            found[#found + 1] = live(host)
        end
    end
    say_list("routes", found)
end

local function put_routes()
    local given = body("routes")
    local parsed = given and parse_all(given)
    if not parsed or not set_all(parsed) then
        return
    end
    local hosts = {}
    for i, route in ipairs(parsed) do
        hosts[i] = route.host
    end
    say_list("routes", live_of(hosts))
end

local function delete_routes()
    local hosts = body("hosts")
    if not hosts then
        return
    end
    for i, host in ipairs(hosts) do
        if not routes.is_host(host) then
            return refuse(422, "host " .. i .. " is not a host name")
        end
    end
    local left = {}
    for _, host in ipairs(hosts) do
        routes.withdraw(host)
        left[#left + 1] = routes.get(host) and host
    end
    say_list("left", left)
end

local function put_all()
    local given = body("routes")
    local parsed = given and parse_all(given)
    if not parsed then
        return
    end
    local wanted = {}
    for _, route in ipairs(parsed) do
        wanted[route.host] = true
    end
    for _, host in ipairs(routes.hosts()) do
        if not wanted[host] then
            routes.withdraw(host)
        end
    end
    if set_all(parsed) then
        say(200, { total = #routes.hosts() })
    end
end

local function get_counts()
    say(200, { hosts = counts.all() })
end

local function get_open()
    local var = ngx.var
    say(200, { open = counts.open_of(var.arg_host or "", var.arg_but) })
end

-- For some seconds only: whoever asks for it and never comes back has done no harm.
local function put_closing()
    start.close()
    say(200, { waiting = tonumber(ngx.var.connections_waiting) })
end

local function health()
    say(200, {
        configuration = start.configuration,
        started = ngx.shared.counts:get("started"),
        routes = #routes.hosts(),
        prober = start.secret ~= nil,
    })
end

local ANSWERS = {
    ["GET /routes"] = get_routes,
    ["PUT /routes"] = put_routes,
    ["DELETE /routes"] = delete_routes,
    ["PUT /all"] = put_all,
    ["GET /counts"] = get_counts,
    ["GET /open"] = get_open,
    ["PUT /closing"] = put_closing,
    ["GET /health"] = health,
}

function M.answer()
    local answer = ANSWERS[ngx.req.get_method() .. " " .. ngx.var.uri]
    if answer then
        answer()
    else
        refuse(404, "the door has no such thing")
    end
end

return M

-- The live routes, in memory that all workers share: host -> "house address:port".

local find = ngx.re.find
local re_match = ngx.re.match
local sub = string.sub

local routes = ngx.shared.routes

local LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
local HOST = "\\A" .. LABEL .. "(?:\\." .. LABEL .. ")*\\z"
local HOUSE = "\\A[a-z][a-z0-9]{9}\\z"
local HOUSE_LENGTH = 10
local ADDRESS = "\\A(?:\\d{1,3}(?:\\.\\d{1,3}){3}|\\[[0-9a-f:.]+\\]):(\\d{1,5})\\z"

local M = {}

function M.is_host(text)
    return type(text) == "string" and #text <= 253 and find(text, HOST, "jo") ~= nil
end

-- A route as it was given, checked: nil and why if it is none.
function M.parse(given)
    if type(given) ~= "table" or not M.is_host(given.host) then
        return nil, "host is not a host name"
    end
    if type(given.house) ~= "string" or not find(given.house, HOUSE, "jo") then
        return nil, "house is not a house id"
    end
    local address = type(given.address) == "string" and re_match(given.address, ADDRESS, "jo")
    local port = address and tonumber(address[1]) or 0
    if port < 1 or port > 65535 then
        return nil, "address is not an IP address and port"
    end
    return { host = given.host, house = given.house, address = given.address }
end

-- Never at the expense of another route: without room it says so.
function M.set(route)
    return routes:safe_set(route.host, route.house .. " " .. route.address)
end

function M.withdraw(host)
    routes:delete(host)
end

-- "house address:port", as it is kept; nil without a live route.
function M.get(host)
    return routes:get(host)
end

-- House and address of what `get` found.
function M.parts(live)
    return sub(live, 1, HOUSE_LENGTH), sub(live, HOUSE_LENGTH + 2)
end

function M.leads_to(host, house)
    local live = routes:get(host)
    return live ~= nil and sub(live, 1, HOUSE_LENGTH) == house
end

function M.hosts()
    return routes:get_keys(0)
end

return M

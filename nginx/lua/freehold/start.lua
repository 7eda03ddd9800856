-- What happens once: in the master before there are workers, and in each worker as it starts.

local cjson = require "cjson.safe"
local counts = require "freehold.counts"
local ffi = require "ffi"
local table_of_routes = require "freehold.routes"

ffi.cdef [[
int chown(const char *path, unsigned int owner, unsigned int group);
int chmod(const char *path, unsigned int mode);
]]

-- Who may enter the platform's sockets, in every image of ours.
local GROUP = 64100
local UNCHANGED = 0xffffffff

local M = {}

local function read(path)
    local file, err = io.open(path, "rb")
    if not file then
        return nil, err
    end
    local content = file:read("*a")
    file:close()
    return content
end

-- Routes of the start file. An edge without routes still serves by the gateway, so nothing here is fatal.
local function load_routes(path)
    local content, err = read(path)
    if not content then
        ngx.log(ngx.WARN, "no routes to start with: ", err)
        return
    end
    local document
    document, err = cjson.decode(content)
    if type(document) ~= "table" or type(document.routes) ~= "table" then
        ngx.log(ngx.ERR, path, " is not understood: ", err or "no list of routes")
        return
    end
    for _, given in ipairs(document.routes) do
        local route, why = table_of_routes.parse(given)
        if route then
            local ok
            ok, why = table_of_routes.set(route)
            if not ok then
                ngx.log(ngx.ERR, "no room for the route of ", route.host, ": ", why)
            end
        else
            ngx.log(ngx.ERR, "a route in ", path, " is left out: ", why)
        end
    end
end

function M.master(settings)
    M.door = settings.home .. "/run/edge/door.sock"
    M.gateway = "unix:" .. settings.home .. "/run/gateway/gateway.sock"
    M.platform = { [settings.domain] = true, ["admin." .. settings.domain] = true }
    M.back_door = { ["platform.internal"] = true, [settings.domain] = true }

    -- A container is given its secrets here; the other place is an installation's own.
    local secret, err = read("/run/secrets/prober.secret")
    if not secret then
        secret, err = read(settings.home .. "/keys/prober.secret")
    end
    secret = secret and secret:gsub("%s+$", "")
    if secret and #secret >= 16 then
        M.secret = secret
    else
        ngx.log(ngx.ERR, "the prober cannot be known: ", err or "its secret is too short")
    end

    -- Shared memory outlives a reload, and is newer than the file then.
    local kept = ngx.shared.counts
    if not kept:get("started") then
        load_routes(settings.home .. "/edge/routes.json")
        kept:set("started", ngx.now() * 1000)
    end
end

function M.worker()
    counts.worker()
    if ngx.worker.id() ~= 0 then
        return
    end
    -- nginx lets everybody in, as far as the directory does.
    if ffi.C.chown(M.door, UNCHANGED, GROUP) == 0 then
        ffi.C.chmod(M.door, tonumber("660", 8))
    else
        ngx.log(ngx.WARN, "the door's group could not be set: its directory alone guards it")
    end
end

return M

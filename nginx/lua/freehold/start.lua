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
-- Seconds: how long answers end connections once it was asked for, and how soon a worker knows.
local CLOSING = 5
local LOOK = 0.2

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

-- Has the answers of this process and those beside it end their connections, for some seconds or until they are
-- replaced by others of another configuration: nobody who keeps a connection shall ask just as it is closed.
function M.close()
    ngx.shared.counts:set("closing", M.configuration, CLOSING)
end

local function look()
    M.closing = ngx.shared.counts:get("closing") == M.configuration
end

function M.master(settings)
    M.configuration = settings.configuration
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

    -- Shared memory outlives a reload, and is newer than the file then; unless its size was changed, which makes
    -- it anew.
    local kept, routes = ngx.shared.counts, ngx.shared.routes
    if not kept:get("started") then
        kept:set("started", ngx.now() * 1000)
    end
    if kept:get("size") ~= routes:capacity() then
        if #routes:get_keys(1) == 0 then
            load_routes(settings.home .. "/edge/routes.json")
        end
        kept:set("size", routes:capacity())
    end
end

function M.worker()
    counts.worker()
    ngx.timer.every(LOOK, look)
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

-- What nginx itself adds to answers, and says when there is none.

local cjson = require "cjson.safe"
local counts = require "freehold.counts"

local find, lower = string.find, string.lower
local http_version = ngx.req.http_version

local SAID = {
    [400] = { "Bad request", "The request is not valid." },
    [403] = { "Forbidden", "This may not be asked for." },
    [404] = { "Not found", "There is nothing at this address." },
    [405] = { "Method not allowed", "This cannot be done here." },
    [408] = { "Too slow", "The request did not arrive in time." },
    [413] = { "Too large", "More was sent than is accepted here." },
    [414] = { "Address too long", "The address is longer than is accepted here." },
    [429] = { "Too many requests", "This site is asked for more than it may be. Please wait a little." },
    [431] = { "Headers too large", "The request's headers are larger than is accepted here." },
    [502] = { "The connection broke off", "This site broke off before it had answered." },
    [503] = { "Unavailable", "This site is unavailable at the moment." },
    [504] = { "No answer", "This site did not answer in time." },
}
local OTHER = { "Something went wrong", "The request could not be answered." }

local PAGE = [[<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title>
<style>
:root { color-scheme: light dark; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 1rem/1.6 system-ui, sans-serif; }
main { max-width: 30rem; padding: 2rem; }
small { opacity: .7; }
</style>
</head>
<body>
<main>
<h1>%s</h1>
<p>%s</p>
<small>%d · request %s</small>
</main>
</body>
</html>
]]

local M = {}

-- nginx takes an interim answer for the last one, and what begins like no answer at all for one of HTTP/0.9: what
-- comes after it would be an app's own word on the visitor's connection, which others may share.
function M.from_house()
    local status = ngx.status
    if status >= 200 then
        return
    end
    local var = ngx.var
    if status ~= 101 or var.fh_upgrade == "" or lower(var.upstream_http_upgrade or "") ~= "websocket" then
        return ngx.exit(502)
    end
end

-- The gateway says of its answers which are some tenant's, and only those are counted.
function M.from_gateway()
    local var = ngx.var
    if var.fh_live == "" and var.upstream_http_x_freehold_tenant then
        counts.began(var.host, "gateway")
        var.fh_counted = "gateway"
    end
end

-- Where requests of all ways come by.
function M.from_any()
    local way = ngx.var.fh_way
    if way == "direct" then
        return M.from_house()
    elseif way == "gateway" then
        return M.from_gateway()
    end
end

-- nginx writes no head to a request that it takes for one of HTTP/0.9, also where an app made it one.
local function say(status, title, kind, body)
    ngx.header["Content-Type"] = kind
    if http_version() ~= 0.9 then
        return ngx.print(body)
    end
    ngx.print(
        "HTTP/1.1 ", status, " ", title,
        "\r\nContent-Type: ", kind,
        "\r\nContent-Length: ", #body,
        "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close",
        "\r\nX-Request-Id: ", ngx.var.request_id,
        "\r\n\r\n", body
    )
end

function M.failure()
    local status = ngx.status
    if status == 502 and ngx.var.fh_way ~= "direct" then
        -- No house has broken off: something of ours is not there.
        status = 503
        ngx.status = status
    end
    local said = SAID[status] or OTHER
    ngx.header["Cache-Control"] = "no-store"
    ngx.header["X-Content-Type-Options"] = "nosniff"
    if status == 429 or status == 503 then
        ngx.header["Retry-After"] = "5"
    end
    local accept = ngx.var.http_accept
    if accept and find(accept, "text/html", 1, true) then
        local page = PAGE:format(said[1], said[1], said[2], status, ngx.var.request_id)
        return say(status, said[1], "text/html; charset=utf-8", page)
    end
    say(status, said[1], "application/problem+json", cjson.encode({
        type = "about:blank",
        title = said[1],
        status = status,
        detail = said[2],
        request_id = ngx.var.request_id,
    }))
end

return M

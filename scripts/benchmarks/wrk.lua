-- Asks for each of the hosts in a file in turn, and prints what the run came to.

local requests, turn = {}, 0

function init(arguments)
    for host in io.lines(arguments[1]) do
        wrk.headers["Host"] = host
        requests[#requests + 1] = wrk.format()
    end
end

function request()
    turn = turn % #requests + 1
    return requests[turn]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        'RESULT {"requests":%d,"failed":%d,"p50":%d,"p99":%d}\n',
        summary.requests,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50),
        latency:percentile(99)
    ))
end

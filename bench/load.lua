-- wrk -s load.lua URL -- PATH FILE: each line of the file is the Cookie header of one request, in turn; '-' is none.
local requests = {}
local at = 0

function init(args)
  for line in io.lines(args[2]) do
    requests[#requests + 1] = wrk.format('GET', args[1], line ~= '-' and { Cookie = line } or {})
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

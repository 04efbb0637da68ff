-- A thousand requests in turn, over as many locations and names as the arguments say.
local requests, number = {}, 0

function init(args)
  local locations, names = tonumber(args[1]), tonumber(args[2])
  for i = 0, 999 do
    requests[i] = "GET /v" .. i % locations .. "/item/" .. i .. " HTTP/1.1\r\n"
      .. "Host: www" .. i % names .. ".example.com\r\n\r\n"
  end
end

function request()
  number = (number + 1) % 1000
  return requests[number]
end

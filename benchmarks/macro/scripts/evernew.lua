-- No two requests have the same target or the same cookie, as if each came from somebody else.
local number = 0

function request()
  number = number + 1
  return "GET /item/" .. number .. "?page=" .. number % 7 .. " HTTP/1.1\r\n"
    .. "Host: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0\r\n"
    .. "Accept: */*\r\nAccept-Encoding: gzip\r\nCookie: session=" .. number * 7919 .. "\r\n\r\n"
end

-- Bytes that come in pieces and are wanted in others.

local libevent = require "libevent"

local evbuffer = libevent.evbuffer

--- evbuffer:add
do
  local body = evbuffer "<p>It works.</p>\n"
  local response <close> = evbuffer()
  response:add("HTTP/1.1 200 OK\r\nContent-Length: ", #body, "\r\n\r\n", body)
  print(response:readln(), #body) --> HTTP/1.1 200 OK, 0
end

--- evbuffer:prepend
do
  local packet <close> = evbuffer("many ", "parts")
  packet:prepend(string.pack(">I4", #packet)) -- its length goes before it
  print(packet:copyout() == "\0\0\0\10many parts") --> true
end

--- evbuffer:add_buffer_reference
do
  local news <close> = evbuffer "the kettle boils\n"
  local queues = { evbuffer "anna: ", evbuffer "otto: " }
  for _, queue in ipairs(queues) do
    queue:add_buffer_reference(news) -- each gets all of it
  end
  print(queues[2]:readln()) --> otto: the kettle boils
end

--- evbuffer:remove
do
  local function next_frame(input) -- two bytes have the length of the rest
    local length = #input >= 2 and string.unpack(">I2", input:copyout(2))
    if length and #input >= 2 + length then
      input:drain(2)
      return input:remove(length)
    end
    return nil
  end
  print(next_frame(evbuffer "\0\5hello and more")) --> hello
  print(next_frame(evbuffer "\0\5hel")) --> nil
end

--- evbuffer:copyout
do
  local input <close> = evbuffer "\x16\x03\x01 and the rest of a handshake"
  -- A look at the first byte tells what it is; whoever reads it finds it all.
  local is_tls = input:copyout(1) == "\x16"
  print(is_tls, #input) --> true, 31
end

--- evbuffer:drain
do
  local input <close> = evbuffer "GET /index.html"
  local first, last = input:search " "
  print(input:copyout(first - 1)) --> GET
  input:drain(last)
  print(input:remove()) --> /index.html
end

--- evbuffer:remove_buffer
do
  local input, upload = evbuffer "5\r\nhelloGET /", evbuffer()
  local left = tonumber(input:readln())
  left = left - input:remove_buffer(upload, left) -- never becomes a string
  print(left, #upload, input:remove()) --> 0, 5, GET /
end

--- evbuffer:length
do
  local function is_full(buffer)
    return buffer:length() >= 64 * 1024
  end
  local queue <close> = evbuffer()
  repeat
    queue:add "a line of a log\n"
  until is_full(queue)
  print(queue:length() == #queue) --> true
end

--- evbuffer:contiguous_space
do
  local pieces <close> = evbuffer(evbuffer "one ", evbuffer "and two")
  local n = 0
  while #pieces > 0 do -- piece by piece, so that no string is put together
    pieces:remove(pieces:contiguous_space())
    n = n + 1
  end
  print(n) --> 2
end

--- evbuffer:expand
do
  local buffer <close> = evbuffer()
  buffer:expand(10000) -- at once, not as it grows
  for i = 1, 1000 do
    buffer:add(("line %3d\n"):format(i % 1000))
  end
  print(buffer:contiguous_space()) --> 9000
end

--- evbuffer:add_cb
do
  local queue, sent = evbuffer(), 0
  queue:add_cb(function(_, added, deleted, before)
    sent = sent + deleted
    if before == 0 and added > 0 then
      print "something to send" --> something to send
    end
  end)
  queue:add("twenty", "one")
  queue:drain(6)
  print(sent) --> 6
end

--- evbuffer:remove_cb
do
  local input <close> = evbuffer()
  local function first_byte(buffer)
    print("it begins with " .. buffer:copyout(1)) --> it begins with H
    buffer:remove_cb(first_byte) -- tells it once
  end
  input:add_cb(first_byte)
  input:add "HELO":add " localhost\r\n"
end

--- evbuffer:read
do
  local program <close> = io.popen "printf 'one\ntwo\n'"
  local buffer <close> = evbuffer()
  repeat
    local n, message = buffer:read(program)
    assert(n or not message, message)
  until not n
  print(buffer:readln(), buffer:readln()) --> one, two
end

--- evbuffer:write
do
  local file <close> = assert(io.tmpfile())
  local report <close> = evbuffer("temperature ", 21.5, "\n")
  while #report > 0 do
    assert(report:write(file)) -- takes what was written off the buffer
  end
  file:seek "set"
  print(file:read "l") --> temperature 21.5
end

--- evbuffer:search
do
  local buffer <close> = evbuffer "Host: lua.org\r\nX: y\r\n\r\nthe body"
  local _, last = buffer:search "\r\n\r\n"
  local head = buffer:remove(last)
  print(head:match "Host: (%S+)", buffer:remove()) --> lua.org, the body
end

--- evbuffer:search_eol
do
  local input <close> = evbuffer "a line that never seems to en"
  if not input:search_eol() and #input > 20 then
    print "line too long" --> line too long
  end
  local first, last = input:add "d\r\n":search_eol()
  print(first, last) --> 31, 32
end

--- evbuffer:readln
do
  local input <close> = evbuffer "PASS secret\r\nQU"
  print(input:readln()) --> PASS secret
  print(input:readln()) --> nil
  input:add "IT\r\n"
  print(input:readln()) --> QUIT
end

--- evbuffer:lines
do
  local names = {}
  local input <close> = evbuffer "core.lua\0init.lua\0unfinished"
  for name in input:lines "nul" do -- as find -print0 writes them
    table.insert(names, name)
  end
  print(table.concat(names, " "), #input) --> core.lua init.lua, 10
end

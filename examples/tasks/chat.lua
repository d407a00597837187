-- A chat: what one types, the others read. Who reads slowly is left behind.
--
--   lua5.4 examples/tasks/chat.lua [ADDRESS]

local libevent = require "libevent"

local backlog = 100 -- lines that wait for one guest
local guests = {} -- queues of lines, by stream

local function tell(line, except)
  for stream, lines in pairs(guests) do
    if stream ~= except and not lines:put(line, 0) then
      stream:close()
    end
  end
end

local function send(stream, lines)
  for line in lines:values() do
    stream:write(line, "\n")
  end
end

local function serve(stream)
  stream:write "Your name? "
  local name = stream:read("l", 60)
  if not name or name == "" then
    return
  end
  name = name:gsub("%c", "")
  local lines <close> = libevent.queue(backlog)
  libevent.spawn(send, stream, lines)
  guests[stream] = lines
  tell(("* %s has come"):format(name), stream)
  for line in stream:lines("l", 600) do
    tell(("<%s> %s"):format(name, line:gsub("%c", "")), stream)
  end
  guests[stream] = nil
  tell(("* %s has left"):format(name))
end

libevent.run(function()
  local server = assert(libevent.serve(arg[1] or "127.0.0.1:9995", serve,
    { max_line = 1024 }))
  print("listening on " .. server:getsockname())
end)

-- What memory.c runs with failing allocations: evbuffers that get all kinds of
-- values, are searched, moved, read and written, and tell of their changes.

local libevent = libevent -- luacheck: ignore
local trial = require "spec.host.trial"
local same = trial.same

local long = ("long "):rep(8000)

--- A file of two lines, to read from.
local function file_of(text)
  local file = trial.check(io.tmpfile())
  file:write(text)
  file:seek "set"
  file:flush()
  return file
end

trial.run(function()
  local buffer, told = libevent.evbuffer("a", 1, { "list", 2.5 }), 0
  local function count()
    told = told + 1
  end
  buffer:add_cb(count)
  buffer:add(long, libevent.evbuffer "moved"):prepend("<", "b")
  same(#"ba1list2.5moved" + #long + 1, buffer:length())
  same("<ba1list2.5", buffer:remove(11))
  same(1, (buffer:search "long"))
  same("long", buffer:copyout(4))
  buffer:expand(100000)
  same(#long + 1, (buffer:search "moved"))
  local other = libevent.evbuffer()
  same(5000, buffer:remove_buffer(other, 5000))
  other:add_buffer_reference(buffer)
  buffer:drain()
  same(buffer:remove_cb(count), true)
  same(long .. "moved", other:remove())

  local lines = libevent.evbuffer "one\r\ntwo\nthree\0four"
  same(4, (lines:search_eol()))
  same("one", lines:readln())
  same("two", lines:readln "lf")
  same("three", lines:readln "nul")
  for _ in lines:lines() do
    error "there is no line"
  end

  local file <close> = file_of "of a file"
  local r <close>, w = trial.check(libevent.socketpair())
  local _ <close> = w
  same(4, lines:length())
  same(9, (trial.check(lines:read(file))))
  same(13, (trial.check(lines:write(w:fd()))))
  same(13, (trial.check(lines:read(r:fd(), 100))))
  same("fourof a file", lines:remove())
  same(told > 0, true)
end)

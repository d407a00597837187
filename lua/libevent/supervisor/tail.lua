--- What a worker writes to standard error: it is passed on in whole lines, and
-- the last ones are kept.

local format = require "libevent.log.format"

local tail = {}

--- Lines that are kept, bytes of each, and bytes that are passed on though the
-- line goes on.
local most, widest, longest = 10, 500, 8192

local brace <const> = ("{"):byte()

--- Made by `tail.new`. Its last lines stand in a ring, the last at `n`.
---@class libevent.supervisor.tail
local Tail = {}
Tail.__index = Tail

--- Makes one.
---@param number integer That of the worker.
---@param write fun(text: string) Takes whole lines.
---@return libevent.supervisor.tail
function tail.new(number, write)
  return setmetatable({ number = number, write = write, rest = "",
    lines = {}, n = 0 }, Tail)
end

--- A line that says whose it is, and does not drive a terminal: it may have
-- what a peer has sent. One that is a log line stays so.
local function mark(self, line)
  line = format.lines(line)
  if line:byte() == brace and line:find '^{"time":".*}$' then
    return ('{"worker":%d,%s\n'):format(self.number, line:sub(2))
  end
  return ("[%d] %s\n"):format(self.number, line)
end

local function take(self, line)
  local n = self.n % most + 1
  self.n = n
  self.lines[n] = #line > widest and line:sub(1, widest) .. "…" or line
  return mark(self, line)
end

--- Takes what has come.
---@param data string
function Tail:add(data)
  local text, marked, at = self.rest .. data, {}, 1
  local stop = text:find("\n", at, true)
  while stop do
    marked[#marked + 1] = take(self, text:sub(at, stop - 1))
    at = stop + 1
    stop = text:find("\n", at, true)
  end
  self.rest = text:sub(at)
  if #self.rest > longest then
    marked[#marked + 1] = take(self, self.rest)
    self.rest = ""
  end
  if #marked > 0 then
    self.write(table.concat(marked))
  end
end

--- Nothing more will come.
function Tail:finish()
  if self.rest ~= "" then
    self:add "\n"
  end
end

--- Returns the last lines.
---@return string text
function Tail:text()
  local last = table.move(self.lines, self.n + 1, #self.lines, 1, {})
  table.move(self.lines, 1, self.n, #last + 1, last)
  return table.concat(last, "\n")
end

return tail

--- What a worker writes to standard error: it is passed on in whole lines, and
-- the last ones are kept.

local tail = {}

--- Lines that are kept, bytes of each, and bytes that are passed on though the
-- line goes on.
local most, widest, longest = 10, 500, 8192

--- Made by `tail.new`.
---@class libevent.supervisor.tail
local Tail = {}
Tail.__index = Tail

--- Makes one.
---@param number integer That of the worker.
---@param write fun(text: string) Takes whole lines.
---@return libevent.supervisor.tail
function tail.new(number, write)
  return setmetatable({ number = number, write = write, rest = "", lines = {} },
    Tail)
end

--- A line that says whose it is; one that is a log line stays so.
local function mark(self, line)
  if line:find '^{"time":".*}$' then
    return ('{"worker":%d,%s\n'):format(self.number, line:sub(2))
  end
  return ("[%d] %s\n"):format(self.number, line)
end

local function take(self, line)
  table.insert(self.lines, #line > widest and line:sub(1, widest) .. "…"
    or line)
  if #self.lines > most then
    table.remove(self.lines, 1)
  end
  return mark(self, line)
end

--- Takes what has come.
---@param data string
function Tail:add(data)
  local text, marked, at = self.rest .. data, {}, 1
  for line, behind in text:gmatch "([^\n]*)\n()" do
    marked[#marked + 1] = take(self, line)
    at = behind
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
  return table.concat(self.lines, "\n")
end

return tail

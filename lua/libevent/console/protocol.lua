--- What a process and those who look into it say to each other: frames, each a
-- letter and what belongs to it.
--
-- From outside: `H` the greeting, first of all; `I` a line of input; `X` stops
-- the input that runs; `C` a text to complete; `S` asks what `evrun ps` shows,
-- `T` what `evrun top` shows; `M` has the monitor of a service do something;
-- `?` whether the loop is alive.
--
-- From the process: `H` its greeting; `O` output; `P` it is ready for a line,
-- and whether that continues an input; `C`, `S`, `T`, `M` answers, each a
-- packed value; `!` it is alive; `E` it is over, and why.

local protocol = {}

--- How a frame is packed, and bytes that one may have.
protocol.format = ">s4"
protocol.most = 1024 * 1024

local version = 1

--- The greeting of either side.
protocol.greeting = "evrun " .. version

--- Tables in tables that a packed value may have.
local deepest = 8

--- Returns a frame.
---@param kind string A letter.
---@param text? string
---@return string bytes
function protocol.frame(kind, text)
  return protocol.format:pack(kind .. (text or ""))
end

--- Says why a greeting is not understood; nil if it is.
---@param frame string
---@return string? message
function protocol.refuse(frame)
  if frame == "H" .. protocol.greeting then
    return nil
  end
  local other = frame:match "^Hevrun (%d+)$"
  return other and ("this is version %d of the console, that is version %s")
    :format(version, other) or "this is no console of evrun"
end

local pack

local packers = {
  ["nil"] = function()
    return "n"
  end,
  boolean = function(value)
    return value and "t" or "f"
  end,
  number = function(value)
    if math.type(value) == "integer" then
      return (">c1i8"):pack("i", value)
    end
    return (">c1d"):pack("d", value)
  end,
  string = function(value)
    return (">c1s4"):pack("s", value)
  end,
  table = function(value)
    local parts = {}
    for key, field in pairs(value) do
      parts[#parts + 1] = pack(key) .. pack(field)
    end
    return "{" .. table.concat(parts) .. "}"
  end,
}

--- Returns a value as bytes: nil, a boolean, number, string, or table of such.
---@param value any
---@return string bytes
function pack(value)
  return packers[type(value)](value)
end

protocol.pack = pack

local unpack

local unpackers = {
  n = function(_, at)
    return nil, at
  end,
  t = function(_, at)
    return true, at
  end,
  f = function(_, at)
    return false, at
  end,
  i = function(bytes, at)
    return (">i8"):unpack(bytes, at)
  end,
  d = function(bytes, at)
    return (">d"):unpack(bytes, at)
  end,
  s = function(bytes, at)
    return (">s4"):unpack(bytes, at)
  end,
  ["{"] = function(bytes, at, depth)
    local list = {}
    while bytes:sub(at, at) ~= "}" do
      local key, value
      key, at = unpack(bytes, at, depth + 1)
      value, at = unpack(bytes, at, depth + 1)
      list[key] = value
    end
    return list, at + 1
  end,
}

function unpack(bytes, at, depth)
  local unpacker = unpackers[bytes:sub(at, at)]
  if not unpacker or depth > deepest then
    error "not a packed value"
  end
  return unpacker(bytes, at + 1, depth)
end

--- Returns the value that bytes stand for; raises if they do not.
---@param bytes string
---@return any value
function protocol.unpack(bytes)
  return (unpack(bytes, 1, 0))
end

--- Cuts what comes into frames.
local Reader = {}
Reader.__index = Reader

--- Makes one.
function protocol.reader()
  return setmetatable({ chunks = {}, size = 0, needed = 4 }, Reader)
end

--- Takes what has come. Returns the frames that are complete, or nil if one is
-- too long.
function Reader:take(data)
  local frames = {}
  table.insert(self.chunks, data)
  self.size = self.size + #data
  if self.size < self.needed then
    return frames
  end
  local bytes, at = table.concat(self.chunks), 1
  while true do
    local left = #bytes - at + 1
    local length = left >= 4 and (">I4"):unpack(bytes, at) or 0
    if length > protocol.most then
      return nil
    end
    self.needed = 4 + length
    if left < self.needed then
      break
    end
    frames[#frames + 1] = bytes:sub(at + 4, at + 3 + length)
    at = at + 4 + length
  end
  self.chunks, self.size = { bytes:sub(at) }, #bytes - at + 1
  return frames
end

return protocol

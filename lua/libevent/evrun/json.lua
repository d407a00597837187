--- Values as JSON: what the commands print for other programs.

local scalar = require "libevent.log.format".scalar

local json = {}

--- Returns a value as JSON. A table is a list where it has a first element or
-- none at all, else an object, its members in order.
---@param value any
---@param indent? string What stands between the elements of a list.
---@return string text
function json.encode(value, indent)
  if type(value) ~= "table" then
    return scalar(value)
  end
  local parts = {}
  for i, each in ipairs(value) do
    parts[i] = json.encode(each)
  end
  if #parts > 0 or next(value) == nil then
    return "[" .. table.concat(parts, indent or ", ") .. "]"
  end
  for name in pairs(value) do
    parts[#parts + 1] = name
  end
  table.sort(parts)
  for i, name in ipairs(parts) do
    parts[i] = scalar(name) .. ": " .. json.encode(value[name], indent)
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

return json

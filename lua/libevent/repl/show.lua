--- Values as one reads them.

local show = {}

--- Tables in tables that are shown, and entries of each.
local deepest, most = 3, 50

--- Bytes of a string.
local longest = 2000

local order = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
  local one, other = order[type(a)] or 4, order[type(b)] or 4
  if one ~= other then
    return one < other
  elseif one <= 2 then
    return a < b
  end
  return tostring(a) < tostring(b)
end

local function quote(text)
  local cut = #text > longest and text:sub(1, longest) or text
  local quoted = ("%q"):format(cut):gsub("\\\n", "\\n"):gsub("[\0-\31\127]",
    function(char)
      return ("\\%d"):format(char:byte())
    end)
  return #text > longest
    and ("%s… %d bytes"):format(quoted, #text) or quoted
end

local function described(value)
  local ok, text = pcall(tostring, value)
  return ok and text or ("%s whose __tostring fails"):format(type(value))
end

local function key_of(key, path)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" then
    return key
  end
  return "[" .. show.value(key, path) .. "]"
end

--- The entries of a table, each a text: those of a list first, without keys.
local function entries(value, path)
  local list, keys, n = {}, {}, rawlen(value)
  for i = 1, math.min(n, most) do
    list[i] = show.value(rawget(value, i), path)
  end
  local left = n - #list
  for key in next, value do
    if not (math.type(key) == "integer" and key >= 1 and key <= n) then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys, before)
  for _, key in ipairs(keys) do
    if #list < most then
      list[#list + 1] = key_of(key, path) .. " = "
        .. show.value(rawget(value, key), path)
    else
      left = left + 1
    end
  end
  if left > 0 then
    list[#list + 1] = ("… %d more"):format(left)
  end
  return list
end

local function table_text(value, path)
  if path[value] then
    return "<cycle>"
  elseif #path >= deepest then
    return next(value) == nil and "{}" or "{…}"
  end
  path[#path + 1], path[value] = value, true
  local list = entries(value, path)
  path[#path], path[value] = nil, nil
  local text = table.concat(list, ", ")
  if #text <= 70 and not text:find "\n" then
    return #list == 0 and "{}" or "{ " .. text .. " }"
  end
  return "{\n  " .. table.concat(list, ",\n"):gsub("\n", "\n  ") .. "\n}"
end

--- Returns a text of any value; of a table what is in it, unless it has a
-- `__tostring`.
---@param value any
---@param path? table The tables around it.
---@return string text
function show.value(value, path)
  if type(value) == "string" then
    return quote(value)
  elseif type(value) ~= "table" then
    return described(value)
  end
  local meta = debug.getmetatable(value)
  if type(meta) == "table" and (meta.__tostring or meta.__name) then
    return described(value)
  end
  return table_text(value, path or {})
end

--- Returns a text of several values, side by side.
---@param ... any
---@return string text
function show.values(...)
  local list = table.pack(...)
  for i = 1, list.n do
    list[i] = show.value(list[i])
  end
  return table.concat(list, "\t")
end

return show

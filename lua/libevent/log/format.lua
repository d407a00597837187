--- How a record of the log becomes a line: text for people, JSON for programs.
--
-- Whatever a record holds, the line is valid UTF-8 without control characters,
-- and JSON is valid JSON.

local concat, sort = table.concat, table.sort
local find, gsub, sub = string.find, string.gsub, string.sub
local floor, len, math_type = math.floor, utf8.len, math.type

local format = {}

--- Fields of a line, and members of a field, beyond which the rest is counted.
local most = 64

--- Names that a line has already.
local reserved = { time = true, level = true, message = true }

--- What must be looked at before it stands in a line.
local special = '[\0-\31"\\\127-\255]'

--- Makes a function that escapes: control characters as `escapes` has them,
-- code points above them by `point`, bytes that are no UTF-8 by `broken`.
local function escaper(escapes, point, broken)
  local set = "[" .. concat(escapes.set) .. "]"

  local function by_point(char)
    return point:format(utf8.codepoint(char))
  end

  local function clean(text)
    text = gsub(text, set, escapes)
    if find(text, "[\xC2\xE2]") then
      text = gsub(text, "\xC2[\x80-\x9F]", by_point) -- C1
      text = gsub(text, "\xE2\x80[\xA8-\xAE]", by_point) -- lines, directions
      text = gsub(text, "\xE2\x81[\xA6-\xA9]", by_point) -- directions
    end
    return text
  end

  local function mended(text)
    local parts, from = {}, 1
    repeat
      local _, at = len(text, from)
      parts[#parts + 1] = clean(sub(text, from, (at or 0) - 1))
      if at then
        parts[#parts + 1] = broken:format(text:byte(at))
        from = at + 1
      end
    until not at
    return concat(parts)
  end

  return function(text)
    if not find(text, special) then
      return text
    end
    return len(text) and clean(text) or mended(text)
  end
end

--- The control characters by what stands for them.
local function escapes(named, byte)
  local map = { set = { "\0-\31\127" } }
  for code = 0, 127 do
    if code < 32 or code == 127 then
      map[string.char(code)] = byte:format(code)
    end
  end
  for char, escape in pairs(named) do
    map[char] = escape
    if not find(char, "%c") then
      table.insert(map.set, "%" .. char)
    end
  end
  return map
end

local escape_json = escaper(escapes({ ["\n"] = "\\n", ["\r"] = "\\r",
  ["\t"] = "\\t", ["\\"] = "\\\\", ['"'] = '\\"' }, "\\u%04x"),
  "\\u%04x", "\u{FFFD}")

local escape_text = escaper(escapes({ ["\n"] = "\\n", ["\r"] = "\\r",
  ["\t"] = "\\t", ["\\"] = "\\\\" }, "\\x%02x"), "\\u{%x}", "\\x%02x")

--- Returns lines of others without what drives a terminal.
---@param text string
---@return string text Valid UTF-8 without control characters but tabs and ends
-- of lines.
format.lines = escaper(escapes({ ["\n"] = "\n", ["\t"] = "\t" }, "\\x%02x"),
  "\\u{%x}", "\\x%02x")

--- Replaces what is no UTF-8.
local valid = (function()
  local none = { set = { "\0" }, ["\0"] = "\0" }
  local mend = escaper(none, "%s", "\u{FFFD}")
  return function(text)
    return len(text) and text or mend(text)
  end
end)()

--- Returns the text of a value, also of one that cannot be told.
function format.tostring(value)
  local ok, text = pcall(tostring, value)
  return ok and text or ("(%s whose __tostring failed)"):format(type(value))
end

local describe = format.tostring

--- Returns the digits of a number, and whether JSON has such a number.
local function number(value)
  if math_type(value) == "integer" then
    return ("%d"):format(value), true
  elseif value ~= value then
    return "nan", false
  elseif value - value ~= 0 then
    return value > 0 and "inf" or "-inf", false
  end
  local text = ("%.14g"):format(value)
  if tonumber(text) ~= value then
    text = ("%.17g"):format(value)
  end
  text = gsub(text, "[^0-9e+-]+", ".") -- whatever the locale has there
  return find(text, "[.e]") and text or text .. ".0", true
end

--- Adds a name that no other has.
local function add_name(names, values, taken, name, value)
  while taken[name] or values[name] ~= nil do
    name = name .. "_"
  end
  names[#names + 1], values[name] = name, value
end

--- Names fields as a line can have them; returns names and values.
local function renamed(fields, taken)
  local keys, left = {}, 0
  for key, value in next, fields do
    if #keys < most then
      keys[#keys + 1] = { key = key, value = value }
    else
      left = left + 1
    end
  end
  for _, each in ipairs(keys) do
    each.is_text = type(each.key) == "string"
    each.name = valid(each.is_text and each.key or describe(each.key))
  end
  sort(keys, function(a, b)
    if a.name ~= b.name then
      return a.name < b.name
    end
    return a.is_text and (not b.is_text or a.key < b.key)
  end)
  local names, values = {}, {}
  for _, each in ipairs(keys) do
    add_name(names, values, taken, each.name, each.value)
  end
  if left > 0 then
    add_name(names, values, taken, "…", left)
  end
  sort(names)
  return names, values
end

--- Returns the names of fields in their order, the values by name, and
-- whether the names are plain words.
local function ordered(fields, taken)
  local names, n = {}, 0
  for key in next, fields do
    n = n + 1
    if n > most or type(key) ~= "string" or taken[key]
        or not find(key, "^[0-9A-Za-z_.-]+$") then
      return renamed(fields, taken)
    end
    names[n] = key
  end
  if n > 1 then
    sort(names)
  end
  return names, fields, true
end

--- Whether a table has the keys of a list, as far as they are looked at.
local function is_list(value)
  local length, seen = rawlen(value), 0
  for key in next, value do
    seen = seen + 1
    if math_type(key) ~= "integer" or key < 1 or key > length then
      return false
    elseif seen > most then
      break
    end
  end
  return seen > 0
end

local json_value

--- The JSON of a table, whose own tables are not shown.
local function nested(value)
  local parts = {}
  if is_list(value) then
    local length = rawlen(value)
    for i = 1, math.min(length, most) do
      local member = rawget(value, i)
      parts[i] = member == nil and "null" or json_value(member, true)
    end
    if length > most then
      parts[most + 1] = ('"… %d more"'):format(length - most)
    end
    return "[" .. concat(parts, ",") .. "]"
  end
  local names, values = ordered(value, {})
  for i, name in ipairs(names) do
    parts[i] = '"' .. escape_json(name) .. '":'
      .. json_value(rawget(values, name), true)
  end
  return "{" .. concat(parts, ",") .. "}"
end

--- Returns the text of a value, and whether it is JSON already.
local function show(value, inside)
  local kind = type(value)
  if kind == "string" then
    return value, false
  elseif kind == "number" then
    return number(value)
  elseif kind == "boolean" then
    return value and "true" or "false", true
  elseif kind ~= "table" then
    return describe(value), false
  end
  local text = getmetatable(value) ~= nil and describe(value)
  if text and not find(text, "^table: ") then
    return text, false
  elseif inside then
    return "{…}", false
  end
  return nested(value), true
end

function json_value(value, inside)
  local text, is_json = show(value, inside)
  return is_json and text or '"' .. escape_json(text) .. '"'
end

--- Returns the JSON of a value that is no table.
function format.scalar(value)
  return json_value(value, true)
end

--- Puts a text in quotes where it would not be seen to be one word.
local function quoted(text)
  if find(text, "^[0-9A-Za-z_.:/@+-]+$") then
    return text
  end
  local escaped = escape_text(text)
  if escaped == text and text ~= "" and not find(text, '[ "={%[]') then
    return text
  end
  return '"' .. gsub(escaped, '"', '\\"') .. '"'
end

local function text_value(value)
  local text, is_json = show(value)
  return is_json and text or quoted(text)
end

--- The second that was written last, as both formats have it.
local second, text_second, json_second

local function milliseconds(time)
  local whole = floor(time)
  if whole ~= second then
    local text, json = os.date("!%Y-%m-%d %H:%M:%S.", whole),
      os.date("!%Y-%m-%dT%H:%M:%S.", whole)
    second, text_second, json_second = whole, text, json
  end
  return ("%03d"):format(floor((time - whole) * 1000))
end

local labels = { debug = "DEBUG", info = "INFO ", warn = "WARN ",
  error = "ERROR" }

local colors = { debug = "90", info = "32", warn = "33", error = "31" }

local colored_labels = {}
for level, label in pairs(labels) do
  colored_labels[level] = "\27[" .. colors[level] .. "m" .. label .. "\27[0m"
end

--- The lines of a traceback, each of them indented.
local function add_traceback(parts, text)
  for line in (text .. "\n"):gmatch "(.-)\n" do
    local tabs, rest = line:match "^(\t*)(.*)$"
    parts[#parts + 1] = "\n    " .. ("    "):rep(#tabs) .. escape_text(rest)
  end
end

--- Returns the line of a record for people, without its end; on a terminal a
-- traceback stands in lines of its own.
---@param record table
---@param is_terminal boolean
---@param is_colored boolean
---@return string line
function format.text(record, is_terminal, is_colored)
  local names, fields, plain = ordered(record.fields, reserved)
  local traceback = is_terminal and rawget(fields, "traceback") or nil
  local ms = milliseconds(record.time)
  local label = (is_colored and colored_labels or labels)[record.level]
  local parts, n = { text_second, ms, " ", label, " ",
    escape_text(record.message) }, 6
  for i = 1, #names do
    local name = names[i]
    if traceback == nil or name ~= "traceback" then
      parts[n + 1], parts[n + 2] = " ", plain and name or quoted(name)
      parts[n + 3], parts[n + 4] = "=", text_value(rawget(fields, name))
      n = n + 4
    end
  end
  if traceback ~= nil then
    add_traceback(parts, describe(traceback))
  end
  return concat(parts)
end

--- Returns the line of a record for programs, without its end.
---@param record table
---@return string line
function format.json(record)
  local names, fields, plain = ordered(record.fields, reserved)
  local ms = milliseconds(record.time)
  local parts, n = { '{"time":"', json_second, ms, 'Z","level":"',
    record.level, '","message":"', escape_json(record.message), '"' }, 8
  for i = 1, #names do
    local name = names[i]
    parts[n + 1], parts[n + 2] = ',"', plain and name or escape_json(name)
    parts[n + 3], parts[n + 4] = '":', json_value(rawget(fields, name))
    n = n + 4
  end
  parts[n + 1] = "}"
  return concat(parts)
end

return format

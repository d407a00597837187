--- Numbers as one reads them.

local units = {}

--- A number as it is.
---@param n number
---@return string text
function units.whole(n)
  return ("%.15g"):format(n)
end

local function scaled(n, step, names, format)
  if not (n >= 0 and n < 2 ^ 63) then -- as strange as a worker may count
    return units.whole(n)
  end
  local i = 1
  while n >= step and i < #names do
    n, i = n / step, i + 1
  end
  return (i == 1 and "%.0f" or "%.1f"):format(n) .. format:format(names[i])
end

--- A number with a unit: 1234567 is "1.2M".
---@param n number
---@return string text
function units.short(n)
  return scaled(n, 1000, { "", "k", "M", "G", "T" }, "%s")
end

--- A size.
---@param n number Bytes.
---@return string text
function units.bytes(n)
  return scaled(n, 1024, { "B", "KiB", "MiB", "GiB", "TiB" }, " %s")
end

--- A time that is short.
---@param seconds number
---@return string text
function units.duration(seconds)
  return seconds < 1 and ("%.0f ms"):format(seconds * 1000)
    or ("%.1f s"):format(seconds)
end

--- A time that may be long.
---@param seconds number
---@return string text
function units.age(seconds)
  local s = math.floor(seconds)
  if s < 60 then
    return s .. "s"
  elseif s < 3600 then
    return ("%dm%02ds"):format(s // 60, s % 60)
  elseif s < 86400 then
    return ("%dh%02dm"):format(s // 3600, s % 3600 // 60)
  end
  return ("%dd%02dh"):format(s // 86400, s % 86400 // 3600)
end

--- What a function says of a value; "-" where that is not known.
---@param value any
---@param fn? fun(value: any): string
---@return string text
function units.known(value, fn)
  if value == nil then
    return "-"
  end
  return (fn or tostring)(value)
end

return units

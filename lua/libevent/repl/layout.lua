--- How texts stand on a terminal.

local layout = {}

--- A text of others without what drives a terminal, be it one of UTF-8 or of
-- bytes.
---@param value any
---@return string text
function layout.plain(value)
  local text = tostring(value)
  text = utf8.len(text) and text:gsub("\xC2[\x80-\x9F]", "?")
    or text:gsub("[\x80-\xFF]", "?")
  return (text:gsub("%c", "?"))
end

local function width_of(cell)
  return utf8.len(cell) or #cell
end

--- Rows as lines with columns; those named in `right` end at the same place.
---@param rows string[][]
---@param right? table<integer,boolean>
---@return string text
function layout.columns(rows, right)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      widths[i] = math.max(widths[i] or 0, width_of(cell))
    end
  end
  for n, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      local fill = (" "):rep(widths[i] - width_of(cell))
      cells[i] = right and right[i] and fill .. cell or cell .. fill
    end
    lines[n] = table.concat(cells, "  "):gsub("%s+$", "") .. "\n"
  end
  return table.concat(lines)
end

return layout

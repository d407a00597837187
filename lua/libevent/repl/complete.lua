--- What a word that is being typed may become.

local complete = {}

local keywords = {
  "and", "break", "do", "else", "elseif", "end", "false", "for", "function",
  "goto", "if", "in", "local", "nil", "not", "or", "repeat", "return", "then",
  "true", "until", "while",
}

--- Objects whose __index is a table that has an __index, and so on.
local deepest = 10

--- Calls fn(key, value) for each field, those of metatables included; no code
-- of the value runs.
local function each_field(value, fn)
  for _ = 1, deepest do
    if type(value) == "table" then
      for key, field in next, value do
        fn(key, field)
      end
    end
    local meta = debug.getmetatable(value)
    value = type(meta) == "table" and rawget(meta, "__index") or nil
    if value == nil then
      return
    end
  end
end

local function field_of(value, name)
  local found
  each_field(value, function(key, field)
    if key == name and found == nil then
      found = field
    end
  end)
  return found
end

--- The value that a path such as `a.b.` says; nil if there is none.
local function resolve(path, env)
  local value = env
  for name in path:gmatch "([%a_][%w_]*)[.:]" do
    value = field_of(value, name)
    if value == nil then
      return nil
    end
  end
  return value
end

--- The names at the end of a text; nil where they are fields of something else
-- than a name, such as what a call returns.
---@param text string
---@return string? word
function complete.word(text)
  local letters = text:reverse():match "^[%w_.:]*":reverse()
  local word = letters:match "[%a_].*$" or "" -- a long text is looked at once
  word = word:match "^.*%.%.(.*)$" or word
  local before = text:sub(1, #text - #word)
  if before:find "[.:]$" and not before:find "%.%.$" then
    return nil
  end
  return word
end

--- Returns what the last word of a text may become, sorted, each with all that
-- stands before it in the word.
---@param text string What is typed, up to the cursor.
---@param env table The global variables.
---@return string[] words
---@return string word What they take the place of.
function complete.words(text, env)
  local word = complete.word(text)
  if not word then
    return {}, ""
  end
  local path, start = word:match "^(.*[.:])([^.:]*)$"
  path, start = path or "", start or word
  local seen, words = {}, {}
  local function offer(name)
    if not seen[name] and name:sub(1, #start) == start then
      seen[name] = true
      words[#words + 1] = path .. name
    end
  end
  local value = resolve(path, env)
  local methods = path:sub(-1) == ":"
  each_field(value, function(key, field)
    if type(key) == "string" and key:find "^[%a_][%w_]*$"
        and (start:find "^_" or not key:find "^__")
        and (not methods or type(field) == "function") then
      offer(key)
    end
  end)
  if path == "" then
    for _, keyword in ipairs(keywords) do
      offer(keyword)
    end
  end
  table.sort(words)
  return words, word
end

return complete

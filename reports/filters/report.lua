-- Used by Quarto and by the embedded renderer alike: what the theme needs and Markdown cannot say.
--   tables    header cells get a scope, the first column names its row (HTML)
--   figures   Word gets PNG
--   downloads a link with a `download` attribute carries its file with it (HTML)
--   headline  the boxed answer and its large number

local html = FORMAT:match("html") ~= nil
local typst = FORMAT:match("typst") ~= nil
local docx = FORMAT:match("docx") ~= nil

local STYLES = {["headline"] = "Headline", ["headline-number"] = "Headline Number", ["headline-range"] = "Headline Range"}

local function scoped(rows, first, scope)
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row.cells) do
      if not first or i == 1 then cell.attributes.scope = scope end
    end
  end
end

function Table(tbl)
  if not html then return nil end
  scoped(tbl.head.rows, false, "col")
  for _, body in ipairs(tbl.bodies) do
    body.row_head_columns = 1
    scoped(body.body, true, "row")
  end
  return tbl
end

function Image(image)
  if docx then
    image.src = image.src:gsub("%.svg$", ".png")
    return image
  end
end

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(bytes)
  local out = {}
  for i = 1, #bytes, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    local n = a * 65536 + (b or 0) * 256 + (c or 0)
    for k = 3, 0, -1 do
      local digit = (n >> (6 * k)) & 63
      local pad = (k == 0 and not c) or (k == 1 and not b)
      out[#out + 1] = pad and "=" or ALPHABET:sub(digit + 1, digit + 1)
    end
  end
  return table.concat(out)
end

function Link(link)
  if html and link.attributes.download and not link.target:match("^data:") then
    local _, bytes = pandoc.mediabag.fetch(link.target)
    link.target = "data:text/csv;charset=utf-8;base64," .. base64(bytes)
    return link
  end
end

function Div(div)
  if not div.classes:includes("headline") then return nil end
  if typst then
    return {pandoc.RawBlock("typst", "#headline["), div, pandoc.RawBlock("typst", "]")}
  elseif docx then
    div.attributes["custom-style"] = STYLES["headline"]
    return div
  end
end

function Span(span)
  local class = span.classes[1]
  if not STYLES[class] then return nil end
  if typst then
    return {pandoc.RawInline("typst", "#" .. class .. "["), span, pandoc.RawInline("typst", "]")}
  elseif docx then
    span.attributes["custom-style"] = STYLES[class]
    return span
  end
end

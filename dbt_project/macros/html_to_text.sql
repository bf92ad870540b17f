{# A message's body as a reader sees it: script, style and comments gone, block ends and <br> as line ends, other tags
   gone, entities decoded once, white space tidied; NULL where nothing is left.
   A body counts as HTML by what people do not write by hand: a closing tag of an element that HTML knows, an element's
   tag with an attribute's "=", one of the commonest tags alone (<p>, <br>, <img>, …), a comment or a doctype. Any other
   body is plain text: its line ends stay, and "<name>" or "List<A>" in it is no tag.
   On the way the characters 30 and 31 stand for a block's edge and a <br>, so that edges which touch make one line
   end. #}
{% macro html_to_text(column) -%}
    {%- set attributes = "(?:\\s(?:[^>\"'']|\"[^\"]*\"|''[^'']*'')*)?/?>" -%}
    {%- set alone = "br|p|div|hr|img|li|tr|td|html" -%}
    {%- set blocks = "p|div|ul|ol|li|dl|dt|dd|tr|table|thead|tbody|tfoot|h[1-6]|blockquote|pre|hr|section|article|header|footer|main|aside|nav|form|fieldset|figure|address|center|html|body" -%}
    {%- set inlines = "br|span|a|b|i|u|s|em|strong|small|big|sub|sup|font|img|td|th|code|tt|kbd|cite|q|mark|del|ins|abbr|label|input|button|select|option|textarea|meta|link|style|script|noscript|head|title|iframe|video|picture|svg|o:p" -%}
    {%- set elements = "(?:" ~ blocks ~ "|" ~ inlines ~ ")" -%}
    {%- set is_html = regex_matches(
        column,
        "</" ~ elements ~ "\\s*>|<" ~ elements ~ "\\s+[a-z][a-z0-9:_-]*\\s*=|<(?:" ~ alone ~ ")\\s*/?>|<!--|<!doctype"
    ) -%}
    {%- set unseen = "(?:<!--.*?(?:-->|$)|<script(?:\\s[^>]*?)??>.*?(?:</script\\s*?>|$)|<style(?:\\s[^>]*?)??>.*?(?:</style\\s*?>|$)|<head(?:\\s[^>]*?)??>.*?</head\\s*?>|<title(?:\\s[^>]*?)??>.*?</title\\s*?>){1,1}?" -%}

    {%- set one_line = spaces_for(column, "\\t\\n\\v\\f\\r") -%}
    {%- set seen = regex_replace_all(one_line, unseen, "''") -%}
    {%- set with_breaks = regex_replace_all(seen, "<br" ~ attributes, "chr(31)") -%}
    {%- set with_blocks = regex_replace_all(with_breaks, "</?(?:" ~ blocks ~ ")" ~ attributes, "chr(30)") -%}
    {%- set with_cells = regex_replace_all(with_blocks, "</?(?:t[dh]|option)" ~ attributes, "' '") -%}
    {%- set without_tags = regex_replace_all(with_cells, "</?[a-z][a-z0-9:-]*" ~ attributes, "''") -%}
    {%- set without_scraps = regex_replace_all(without_tags, "<[!?/a-z][^>]*>", "''") -%}
    {%- set with_block_ends = regex_replace_all(without_scraps, "(?: *[\\x1e] *)+", "chr(10)") -%}
    {%- set stripped = "replace(" ~ with_block_ends ~ ", chr(31), chr(10))" -%}
    {%- set plain = regex_replace_all(column, "\\r\\n?", "chr(10)") -%}

    {%- set untagged = "case when " ~ is_html ~ " then " ~ stripped ~ " else " ~ plain ~ " end" -%}
    {%- set readable -%}
        case when {{ column }} like '%&%' then {{ decode_html_entities(untagged) }} else {{ untagged }} end
    {%- endset -%}

    {%- set spaced = spaces_for(plain_spaces(readable), "\\t\\v\\f\\r") -%}
    {%- set lined = regex_replace_all(spaced, " ?\\n ?", "chr(10)") -%}
    {%- set paragraphed = regex_replace_all(lined, "\\n{3,}", "chr(10) || chr(10)") -%}
    nullif({{ regex_replace_all(paragraphed, "^\\s+|\\s+$", "''") }}, '')
{%- endmacro %}

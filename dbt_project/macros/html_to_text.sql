{# A message's body as a reader sees it: script, style and comments gone, block ends and <br> as line ends, other tags
   gone, entities decoded once, white space tidied; NULL where nothing is left. A body without any HTML tag is
   taken as plain text: its line ends stay, and "<name>" in it is not a tag. On the way the characters 30 and 31
   stand for a block's edge and a <br>, so that edges which touch make one line end. #}
{% macro html_to_text(column) -%}
    {%- set attributes = "(?:\\s(?:[^>\"'']|\"[^\"]*\"|''[^'']*'')*)?/?>" -%}
    {%- set blocks = "p|div|ul|ol|li|dl|dt|dd|tr|table|thead|tbody|tfoot|h[1-6]|blockquote|pre|hr|section|article|header|footer|main|aside|nav|form|fieldset|figure|address|center|html|body" -%}
    {%- set inlines = "br|span|a|b|i|u|s|em|strong|small|big|sub|sup|font|img|td|th|code|tt|kbd|cite|q|label|input|button|meta|link|style|script|head|title|iframe|video|picture|o:p" -%}
    {%- set is_html = regex_matches(column, "<(?:/?(?:" ~ blocks ~ "|" ~ inlines ~ ")" ~ attributes ~ "|!--|!doctype)") -%}

    {%- set one_line = regex_replace_all(column, "\\s+", "' '") -%}
    {%- set without_comments = regex_replace_all(one_line, "<!--.*?-->", "''") -%}
    {%- set without_code = regex_replace_all(without_comments, "<script(?:\\s[^>]*?)??>.*?</script\\s*?>|<style(?:\\s[^>]*?)??>.*?</style\\s*?>|<head(?:\\s[^>]*?)??>.*?</head\\s*?>", "' '") -%}
    {%- set with_breaks = regex_replace_all(without_code, "<br" ~ attributes, "chr(31)") -%}
    {%- set with_blocks = regex_replace_all(with_breaks, "</?(?:" ~ blocks ~ ")" ~ attributes, "chr(30)") -%}
    {%- set with_cells = regex_replace_all(with_blocks, "</?t[dh]" ~ attributes, "' '") -%}
    {%- set without_tags = regex_replace_all(with_cells, "</?[a-z][a-z0-9:-]*" ~ attributes, "''") -%}
    {%- set without_scraps = regex_replace_all(without_tags, "<[!?/a-z][^>]*>", "''") -%}
    {%- set with_block_ends = regex_replace_all(without_scraps, "(?: *[\\x1e] *)+", "chr(10)") -%}
    {%- set stripped = "replace(" ~ with_block_ends ~ ", chr(31), chr(10))" -%}

    {%- set readable -%}
        case
            when {{ is_html }} and {{ column }} like '%&%' then {{ decode_html_entities(stripped) }}
            when {{ is_html }} then {{ stripped }}
            when {{ column }} like '%&%' then {{ decode_html_entities(column) }}
            else {{ column }}
        end
    {%- endset -%}

    {%- set visible = "translate(" ~ readable ~ ", chr(160) || chr(8203) || chr(65279) || chr(13), ' ')" -%}
    {%- set spaced = regex_replace_all(visible, "[ \\t\\f\\v]+", "' '") -%}
    {%- set lined = regex_replace_all(spaced, " ?\\n ?", "chr(10)") -%}
    {%- set paragraphed = regex_replace_all(lined, "\\n{3,}", "chr(10) || chr(10)") -%}
    nullif({{ regex_replace_all(paragraphed, "^\\s+|\\s+$", "''") }}, '')
{%- endmacro %}

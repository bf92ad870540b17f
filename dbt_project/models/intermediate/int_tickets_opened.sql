with tickets as (

    select * from {{ ref('stg_unified__tickets') }}

),

tickets_with_signals as (

    select
        connection_id,
        ticket_id,
        customer_id,
        created_at as sent_at,
        body as body_html,
        {{ html_to_text('body') }} as body_text,
        {{ json_text('raw', ['submitter_id']) }} as raw_submitter_id,
        {{ json_text('raw', ['requester_id']) }} as raw_requester_id,
        {{ lower_case(json_text('raw', ['source', 'author', 'type'])) }} as raw_source_author_type,
        {{ json_text('raw', ['source', 'author', 'id']) }} as raw_source_author_id,
        {{ json_text('raw', ['source']) }} as raw_source,
        {{ json_value_text('raw', ['opened_by']) }} as raw_opened_by,
        {{ json_value_text('raw', ['caller_id']) }} as raw_caller_id
    from tickets
    where not is_deleted

),

tickets_with_opener as (

    select
        *,
        case
            when raw_submitter_id <> raw_requester_id then 'raw_submitter_id'
            when raw_source_author_type in ('admin', 'bot') then 'raw_source_author_type'
            when raw_source = '10' then 'raw_source'
            when raw_opened_by <> raw_caller_id then 'raw_opened_by'
            else 'assumed'
        end as author_role_source
    from tickets_with_signals

)

select
    connection_id,
    ticket_id,
    case
        when author_role_source = 'assumed' then 'customer'
        when author_role_source = 'raw_source_author_type' and raw_source_author_type = 'bot' then 'bot'
        else 'agent'
    end as author_role,
    author_role_source,
    case author_role_source
        when 'assumed' then customer_id
        when 'raw_submitter_id' then raw_submitter_id
        when 'raw_source_author_type' then raw_source_author_id
        when 'raw_opened_by' then raw_opened_by
    end as author_id,
    sent_at,
    body_text,
    body_html,
    customer_id
from tickets_with_opener

with tickets as (

    select * from {{ due(ref('stg_unified__tickets')) }} as tickets
    where not is_deleted

),

signs as (

    select * from {{ due(ref('int_tickets_signed')) }} as signs

),

tickets_with_signs as (

    select
        tickets.connection_id,
        tickets.ticket_id,
        tickets.customer_id,
        tickets.created_at as sent_at,
        tickets.body as body_html,
        {{ html_to_text('tickets.body') }} as body_text,
        {{ json_text('tickets.raw', ['submitter_id']) }} as raw_submitter_id,
        {{ json_text('tickets.raw', ['requester_id']) }} as raw_requester_id,
        {{ json_text('tickets.raw', ['source', 'author', 'id']) }} as raw_source_author_id,
        {{ json_value_text('tickets.raw', ['opened_by']) }} as raw_opened_by,
        {{ json_value_text('tickets.raw', ['caller_id']) }} as raw_caller_id,
        signs.author_role as sign_author_role,
        'raw_' || replace(signs.author_role_path, '.', '_') as sign_author_role_source,
        signs.kind
    from tickets
    left join signs
        on
            tickets.connection_id = signs.connection_id
            and tickets.ticket_id = signs.ticket_id

),

tickets_with_opener as (

    select
        *,
        case
            when sign_author_role is not null then sign_author_role_source
            when raw_submitter_id <> raw_requester_id then 'raw_submitter_id'
            when raw_opened_by <> raw_caller_id then 'raw_opened_by'
            when kind = 'outbound' then 'kind'
            else 'assumed'
        end as author_role_source
    from tickets_with_signs

)

select
    connection_id,
    ticket_id,
    case
        when author_role_source = 'assumed' then 'customer'
        when author_role_source = sign_author_role_source then sign_author_role
        else 'agent'
    end as author_role,
    author_role_source,
    case
        when author_role_source = 'raw_submitter_id' then raw_submitter_id
        when author_role_source = 'raw_source_author_type' then raw_source_author_id
        when author_role_source = 'raw_opened_by' then raw_opened_by
        when author_role_source = 'assumed' or sign_author_role = 'customer' then customer_id
    end as author_id,
    sent_at,
    body_text,
    body_html,
    customer_id,
    kind
from tickets_with_opener

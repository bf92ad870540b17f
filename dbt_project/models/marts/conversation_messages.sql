{{
    config(
        materialized='incremental',
        incremental_strategy='due_tickets',
        post_hook='{{ rename_authors() }}'
    )
}}

with messages as (

    select
        messages.*,
        case
            when
                messages.visibility <> 'internal'
                and messages.author_role <> 'bot'
                and not messages.is_automatic
                and coalesce(signs.kind not in ('spam', 'merged'), true)
                then messages.author_role
        end as side
    from {{ ref('int_messages_unioned') }} as messages
    left join {{ due(ref('int_tickets_signed')) }} as signs
        on
            messages.connection_id = signs.connection_id
            and messages.ticket_id = signs.ticket_id

),

customers as (

    select
        connection_id,
        customer_id,
        customer_name
    from {{ ref('stg_unified__customers') }}

),

employees as (

    select
        connection_id,
        employee_id,
        employee_name
    from {{ ref('stg_unified__employees') }}

),

messages_in_time as (

    select
        *,
        row_number() over (
            partition by connection_id, ticket_id
            order by
                case when note_id is null and sent_at is null then 0 else 1 end asc,
                {{ whole_second('sent_at') }} asc nulls last,
                case when note_id is null then 0 else 1 end asc,
                {{ author_rank('author_role') }} asc,
                sent_at asc,
                length(note_id) asc,
                {{ byte_order('note_id') }} asc
        ) as number_by_time
    from messages

),

numbered_messages as (

    select
        *,
        row_number() over (
            partition by connection_id, ticket_id
            order by
                case when note_id is null then 0 else 1 end asc,
                number_by_time asc
        ) as message_number,
        min(case when side = 'customer' then number_by_time end)
            over (partition by connection_id, ticket_id) as first_customer_number
    from messages_in_time

)

select
    messages.connection_id,
    messages.ticket_id,
    messages.message_number,
    messages.number_by_time,
    messages.message_id,
    messages.note_id,
    messages.repeated_by_note_id,
    messages.author_role,
    messages.author_role_source,
    messages.author_id,
    {{ author_name('messages', 'customers', 'employees') }} as author_name,
    messages.visibility,
    messages.visibility_source,
    messages.side,
    messages.is_automatic,
    coalesce(
        messages.side = 'agent'
        and messages.note_id is not null
        and messages.number_by_time > messages.first_customer_number,
        false
    ) as is_agent_reply,
    messages.sent_at,
    messages.body_text,
    messages.body_html
from numbered_messages as messages
left join customers
    on
        messages.connection_id = customers.connection_id
        and messages.author_id = customers.customer_id
left join employees
    on
        messages.connection_id = employees.connection_id
        and messages.author_id = employees.employee_id

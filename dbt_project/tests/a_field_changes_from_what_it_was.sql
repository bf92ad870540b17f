-- Each change of a field begins where the last one of that field ended, and ends elsewhere. Changes of vendor_status are
-- left out where they tell of none, and so are no chain.
with changes as (

    select
        *,
        lag(change_number) over field_of_ticket as number_before,
        lag(to_value) over field_of_ticket as value_before
    from {{ ref('ticket_changes') }}
    window field_of_ticket as (partition by connection_id, ticket_id, field order by change_number)

)

select *
from changes
where
    not {{ differs('from_value', 'to_value') }}
    or (field <> 'vendor_status' and number_before is not null and {{ differs('from_value', 'value_before') }})
